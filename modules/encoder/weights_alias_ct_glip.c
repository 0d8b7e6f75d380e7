/* CT-GLIP was never released: its U-Net under nnU-Net's own names, everything else canonical.
 * source: dynamic_network_architectures PlainConvUNet, as nnU-Net v2 saves it ("network_weights"). */
#include "encoder/weights_alias.h"

#include <stddef.h>

static const struct weights_name names[] = {
    WEIGHTS_ALIAS_NNUNET("", "4"),
    {NULL, NULL},
};

static const char *const ignored[] = {"decoder.encoder.", "decoder.seg_layers.", ".all_modules.",
                                      ".num_batches_tracked", NULL};

const struct weights_alias weights_alias_ct_glip = {"ct-glip", names, ignored};
