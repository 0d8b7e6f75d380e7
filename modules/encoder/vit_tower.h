/* A ViT by itself as an image side: every item one vector, several items (slices) one together.
 * tap: those of vit.h of the first item; "post" [1][W] of the first item; "slices" [items][D], unit vectors,
 * when there are several; "unit" [1][D].
 * source: mean of unit vectors for slices: docs/model-folder.md, section slice_pool. */
#ifndef ENCODER_VIT_TOWER_H
#define ENCODER_VIT_TOWER_H

#include "encoder/tower.h"

extern const struct tower vit_tower;

#endif
