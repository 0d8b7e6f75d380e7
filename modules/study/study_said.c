#include "study/study_said.h"

#include <stdlib.h>

enum { MOST_SAID = 1 << 20 };

struct said {
    int acquisition, images;
};

static int by_acquisition(const void *left, const void *right)
{
    const struct said *a = left, *b = right;
    if (a->acquisition != b->acquisition)
        return a->acquisition < b->acquisition ? -1 : 1;
    return (b->images > a->images) - (b->images < a->images);
}

bool study_said_of_series(const struct study_series *series, struct study_stack *stack, struct arena *arena)
{
    struct said *list = ARENA_ARRAY(arena, struct said, (size_t)series->head_count + 1);
    int count = 0, acquisitions = 0, most = 0;
    long long sum = 0;
    if (!list)
        return false;
    for (int i = 0; i < series->head_count; i++) {
        const struct dicom_head *head = series->heads[i];
        if (head->kind != DICOM_KIND_CT || head->frame_count > 1 || head->images_in_acquisition < 1 ||
            head->images_in_acquisition > MOST_SAID)
            return true; /* not said of all */
        if (head->has_pixels)
            list[count++] = (struct said){head->acquisition_number, head->images_in_acquisition};
    }
    qsort(list, (size_t)count, sizeof *list, by_acquisition);
    for (int i = 0; i < count; i++) {
        bool first = i == 0 || list[i].acquisition != list[i - 1].acquisition; /* who says most */
        acquisitions += first;
        sum += first ? list[i].images : 0;
        most = list[i].images > most ? list[i].images : most;
    }
    long long said = 2 * acquisitions > count ? most : sum;
    if (said > count) {
        stack->images_said = said > MOST_SAID ? MOST_SAID : (int)said;
        stack->images_there = count;
    }
    return true;
}

void study_said_of_cine(struct study_stack *stack)
{
    const struct dicom_head *head = stack->frames[0].head;
    double said = stack->shape.positions * head->cardiac_images;
    if (head->kind != DICOM_KIND_MR || head->cardiac_images < 2 || head->cardiac_images > MOST_SAID ||
        !(stack->shape.images_per_position >= 2) || said <= stack->frame_count || said > MOST_SAID)
        return;
    stack->images_said = (int)said;
    stack->images_there = stack->frame_count;
}
