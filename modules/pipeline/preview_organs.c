#include "pipeline/preview_block.h"

static int organ_at(const struct preview *preview, const struct preview_block *block, int i, const int at[3],
                    int y, int x)
{
    const struct canvas_rect *panel = &block->panels[i];
    const struct preview_plane *plane = &preview_plane[i];
    if (y < 0 || y >= panel->height || x < 0 || x >= panel->width)
        return 0;
    size_t voxel = preview_voxel(preview->input, plane, at[plane->through],
                                 preview_at(y, panel->height, block->yx[i][0]),
                                 preview_at(x, panel->width, block->yx[i][1]));
    return model_organs(preview->model)->of_label[preview->input->mask[voxel]];
}

static bool at_edge(const struct preview *preview, const struct preview_block *block, int i, const int at[3],
                    int y, int x, int organ)
{
    for (int away = -2; away <= 2; away++)
        if (organ_at(preview, block, i, at, y + away, x) != organ ||
            organ_at(preview, block, i, at, y, x + away) != organ)
            return true;
    return false;
}

static void outline_organs(const struct preview *preview, const struct preview_block *block, int i,
                           const int at[3], struct preview_page *page, bool *seen)
{
    const struct canvas_rect *panel = &block->panels[i];
    for (int y = 0; y < panel->height; y++)
        for (int x = 0; x < panel->width; x++) {
            int organ = organ_at(preview, block, i, at, y, x);
            if (organ == 0 || !at_edge(preview, block, i, at, y, x, organ))
                continue;
            seen[organ] = true;
            canvas_dot(&page->canvas, panel->left + x, panel->top + y, preview_colour(organ));
        }
}

static void name_organs(const struct preview *preview, const bool *seen, struct preview_page *page)
{
    const struct organ_config *organs = model_organs(preview->model);
    int left = PREVIEW_MARGIN, lines = 1;
    for (int organ = 1; organ <= organs->count; organ++) {
        const char *text = organs->organs[organ - 1].text;
        int width = canvas_text_width(text, PREVIEW_SCALE) + 2 * PREVIEW_GAP;
        if (!seen[organ])
            continue;
        if (left > PREVIEW_MARGIN && left + width > page->canvas.width && lines < PREVIEW_LEGEND_LINES) {
            left = PREVIEW_MARGIN;
            page->top += PREVIEW_LINE;
            lines++;
        }
        canvas_text(&page->canvas, left, page->top, PREVIEW_SCALE, preview_colour(organ), text);
        left += width;
    }
    page->top += PREVIEW_LINE;
}

void preview_organs(const struct preview *preview, const struct preview_block *block, const int at[3],
                    struct preview_page *page)
{
    bool seen[ORGANS_MAX + 1] = {false};
    for (int i = 0; i < 3; i++)
        outline_organs(preview, block, i, at, page, seen);
    name_organs(preview, seen, page);
}
