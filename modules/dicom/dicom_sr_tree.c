#include "dicom/dicom_sr.h"

#include <string.h>

static struct dicom_sr_item *item_new(struct dicom_sr_tree *tree)
{
    struct dicom_sr_item *item = ARENA_NEW(tree->arena, struct dicom_sr_item);
    if (item)
        return item;
    tree->out_of_memory = true;
    return memset(&tree->spare, 0, sizeof tree->spare);
}

void dicom_sr_tree_init(struct dicom_sr_tree *tree, struct arena *arena, struct dicom_code title,
                        const char *template_id)
{
    memset(tree, 0, sizeof *tree);
    tree->arena = arena;
    tree->root = item_new(tree);
    tree->root->relation = DICOM_SR_ROOT;
    tree->root->value = DICOM_SR_CONTAINER;
    tree->root->name = title;
    tree->root->template_id = template_id;
}

struct dicom_sr_item *dicom_sr_add(struct dicom_sr_tree *tree, struct dicom_sr_item *parent,
                                   enum dicom_sr_relation relation, enum dicom_sr_value value,
                                   struct dicom_code name)
{
    struct dicom_sr_item *item = item_new(tree);
    item->relation = relation;
    item->value = value;
    item->name = name;
    if (item == &tree->spare || parent == &tree->spare)
        return item;
    if (parent->last_child)
        parent->last_child->next = item;
    else
        parent->first_child = item;
    parent->last_child = item;
    return item;
}
