/* SPDX-License-Identifier: MIT
 * Inception v3 of 2015-12-05, a line a step; the order of convolutions is that of the weight
 * file. */
#include "model/inception_steps.h"

/* A row: kind, name, from, to, channels in and out, taps, stride, without padding. */
#define END(tap) {FFCL_STEP_END, tap, FFCL_AT_X, FFCL_AT_X, 0, 0, 0, 0, 1, 0}
#define SPATIAL {FFCL_STEP_SPATIAL, NULL, FFCL_AT_Y, FFCL_AT_Y, 7, 7, 0, 0, 1, 0}

/* Blocks that the network has more than one of, named by the side of their images.  in: channels;
 * pool: what the pool's convolution makes, or the kind of the pool; mid: channels between. */
#define MIXED_35(name, in, pool)                                                        \
    {FFCL_STEP_BLOCK, NULL, FFCL_AT_X, FFCL_AT_Y, 224 + pool, 224 + pool, 0, 0, 1, 0},  \
    {FFCL_STEP_CONV, name ".branch1x1", FFCL_AT_X, FFCL_AT_Y, in, 64, 1, 1, 1, 0},      \
    {FFCL_STEP_CONV, name ".branch5x5_1", FFCL_AT_X, FFCL_AT_T, in, 48, 1, 1, 1, 0},    \
    {FFCL_STEP_CONV, name ".branch5x5_2", FFCL_AT_T, FFCL_AT_Y, 48, 64, 5, 5, 1, 0},    \
    {FFCL_STEP_CONV, name ".branch3x3dbl_1", FFCL_AT_X, FFCL_AT_T, in, 64, 1, 1, 1, 0}, \
    {FFCL_STEP_CONV, name ".branch3x3dbl_2", FFCL_AT_T, FFCL_AT_T, 64, 96, 3, 3, 1, 0}, \
    {FFCL_STEP_CONV, name ".branch3x3dbl_3", FFCL_AT_T, FFCL_AT_Y, 96, 96, 3, 3, 1, 0}, \
    {FFCL_STEP_MEAN, NULL, FFCL_AT_X, FFCL_AT_T, in, in, 0, 0, 1, 0},                   \
    {FFCL_STEP_CONV, name ".branch_pool", FFCL_AT_T, FFCL_AT_Y, in, pool, 1, 1, 1, 0}

#define MIXED_17(name, mid)                                                               \
    {FFCL_STEP_BLOCK, NULL, FFCL_AT_X, FFCL_AT_Y, 768, 768, 0, 0, 1, 0},                  \
    {FFCL_STEP_CONV, name ".branch1x1", FFCL_AT_X, FFCL_AT_Y, 768, 192, 1, 1, 1, 0},      \
    {FFCL_STEP_CONV, name ".branch7x7_1", FFCL_AT_X, FFCL_AT_T, 768, mid, 1, 1, 1, 0},    \
    {FFCL_STEP_CONV, name ".branch7x7_2", FFCL_AT_T, FFCL_AT_T, mid, mid, 1, 7, 1, 0},    \
    {FFCL_STEP_CONV, name ".branch7x7_3", FFCL_AT_T, FFCL_AT_Y, mid, 192, 7, 1, 1, 0},    \
    {FFCL_STEP_CONV, name ".branch7x7dbl_1", FFCL_AT_X, FFCL_AT_T, 768, mid, 1, 1, 1, 0}, \
    {FFCL_STEP_CONV, name ".branch7x7dbl_2", FFCL_AT_T, FFCL_AT_T, mid, mid, 7, 1, 1, 0}, \
    {FFCL_STEP_CONV, name ".branch7x7dbl_3", FFCL_AT_T, FFCL_AT_T, mid, mid, 1, 7, 1, 0}, \
    {FFCL_STEP_CONV, name ".branch7x7dbl_4", FFCL_AT_T, FFCL_AT_T, mid, mid, 7, 1, 1, 0}, \
    {FFCL_STEP_CONV, name ".branch7x7dbl_5", FFCL_AT_T, FFCL_AT_Y, mid, 192, 1, 7, 1, 0}, \
    {FFCL_STEP_MEAN, NULL, FFCL_AT_X, FFCL_AT_T, 768, 768, 0, 0, 1, 0},                   \
    {FFCL_STEP_CONV, name ".branch_pool", FFCL_AT_T, FFCL_AT_Y, 768, 192, 1, 1, 1, 0}

#define MIXED_8(name, in, pool)                                                            \
    {FFCL_STEP_BLOCK, NULL, FFCL_AT_X, FFCL_AT_Y, 2048, 2048, 0, 0, 1, 0},                 \
    {FFCL_STEP_CONV, name ".branch1x1", FFCL_AT_X, FFCL_AT_Y, in, 320, 1, 1, 1, 0},        \
    {FFCL_STEP_CONV, name ".branch3x3_1", FFCL_AT_X, FFCL_AT_T, in, 384, 1, 1, 1, 0},      \
    {FFCL_STEP_CONV, name ".branch3x3_2a", FFCL_AT_T, FFCL_AT_Y, 384, 384, 1, 3, 1, 0},    \
    {FFCL_STEP_CONV, name ".branch3x3_2b", FFCL_AT_T, FFCL_AT_Y, 384, 384, 3, 1, 1, 0},    \
    {FFCL_STEP_CONV, name ".branch3x3dbl_1", FFCL_AT_X, FFCL_AT_T, in, 448, 1, 1, 1, 0},   \
    {FFCL_STEP_CONV, name ".branch3x3dbl_2", FFCL_AT_T, FFCL_AT_T, 448, 384, 3, 3, 1, 0},  \
    {FFCL_STEP_CONV, name ".branch3x3dbl_3a", FFCL_AT_T, FFCL_AT_Y, 384, 384, 1, 3, 1, 0}, \
    {FFCL_STEP_CONV, name ".branch3x3dbl_3b", FFCL_AT_T, FFCL_AT_Y, 384, 384, 3, 1, 1, 0}, \
    {pool, NULL, FFCL_AT_X, FFCL_AT_U, in, in, 0, 0, 1, 0},                                \
    {FFCL_STEP_CONV, name ".branch_pool", FFCL_AT_U, FFCL_AT_Y, in, 192, 1, 1, 1, 0}

const ffcl_inception_step ffcl_inception_steps[] = {
    /* 299 x 299 x 3 to 35 x 35 x 192 */
    {FFCL_STEP_CONV, "Conv2d_1a_3x3", FFCL_AT_X, FFCL_AT_X, 3, 32, 3, 3, 2, 1},
    {FFCL_STEP_TAP, "conv1a", FFCL_AT_X, FFCL_AT_X, 0, 0, 0, 0, 1, 0},
    {FFCL_STEP_CONV, "Conv2d_2a_3x3", FFCL_AT_X, FFCL_AT_X, 32, 32, 3, 3, 1, 1},
    {FFCL_STEP_CONV, "Conv2d_2b_3x3", FFCL_AT_X, FFCL_AT_X, 32, 64, 3, 3, 1, 0},
    {FFCL_STEP_MAX_HALVES, NULL, FFCL_AT_X, FFCL_AT_X, 64, 64, 0, 0, 1, 0},
    {FFCL_STEP_TAP, "64", FFCL_AT_X, FFCL_AT_X, 0, 0, 0, 0, 1, 0},
    {FFCL_STEP_CONV, "Conv2d_3b_1x1", FFCL_AT_X, FFCL_AT_X, 64, 80, 1, 1, 1, 0},
    {FFCL_STEP_CONV, "Conv2d_4a_3x3", FFCL_AT_X, FFCL_AT_X, 80, 192, 3, 3, 1, 1},
    {FFCL_STEP_MAX_HALVES, NULL, FFCL_AT_X, FFCL_AT_X, 192, 192, 0, 0, 1, 0},
    {FFCL_STEP_TAP, "192", FFCL_AT_X, FFCL_AT_X, 0, 0, 0, 0, 1, 0},
    /* 35 x 35 */
    MIXED_35("Mixed_5b", 192, 32), END(NULL),
    MIXED_35("Mixed_5c", 256, 64), END(NULL),
    MIXED_35("Mixed_5d", 288, 64), END(NULL),
    /* Mixed_6a: 35 x 35 to 17 x 17 */
    {FFCL_STEP_BLOCK, NULL, FFCL_AT_X, FFCL_AT_Y, 768, 768, 0, 0, 2, 0},
    {FFCL_STEP_CONV, "Mixed_6a.branch3x3", FFCL_AT_X, FFCL_AT_Y, 288, 384, 3, 3, 2, 1},
    {FFCL_STEP_CONV, "Mixed_6a.branch3x3dbl_1", FFCL_AT_X, FFCL_AT_T, 288, 64, 1, 1, 1, 0},
    {FFCL_STEP_CONV, "Mixed_6a.branch3x3dbl_2", FFCL_AT_T, FFCL_AT_T, 64, 96, 3, 3, 1, 0},
    {FFCL_STEP_CONV, "Mixed_6a.branch3x3dbl_3", FFCL_AT_T, FFCL_AT_Y, 96, 96, 3, 3, 2, 1},
    {FFCL_STEP_MAX_HALVES, NULL, FFCL_AT_X, FFCL_AT_Y, 288, 288, 0, 0, 1, 0},
    END(NULL),
    /* 17 x 17 */
    MIXED_17("Mixed_6b", 128), END(NULL),
    MIXED_17("Mixed_6c", 160), END(NULL),
    MIXED_17("Mixed_6d", 160), SPATIAL, END(NULL),
    MIXED_17("Mixed_6e", 192), END("768"),
    /* Mixed_7a: 17 x 17 to 8 x 8 */
    {FFCL_STEP_BLOCK, NULL, FFCL_AT_X, FFCL_AT_Y, 1280, 1280, 0, 0, 2, 0},
    {FFCL_STEP_CONV, "Mixed_7a.branch3x3_1", FFCL_AT_X, FFCL_AT_T, 768, 192, 1, 1, 1, 0},
    {FFCL_STEP_CONV, "Mixed_7a.branch3x3_2", FFCL_AT_T, FFCL_AT_Y, 192, 320, 3, 3, 2, 1},
    {FFCL_STEP_CONV, "Mixed_7a.branch7x7x3_1", FFCL_AT_X, FFCL_AT_T, 768, 192, 1, 1, 1, 0},
    {FFCL_STEP_CONV, "Mixed_7a.branch7x7x3_2", FFCL_AT_T, FFCL_AT_T, 192, 192, 1, 7, 1, 0},
    {FFCL_STEP_CONV, "Mixed_7a.branch7x7x3_3", FFCL_AT_T, FFCL_AT_T, 192, 192, 7, 1, 1, 0},
    {FFCL_STEP_CONV, "Mixed_7a.branch7x7x3_4", FFCL_AT_T, FFCL_AT_Y, 192, 192, 3, 3, 2, 1},
    {FFCL_STEP_MAX_HALVES, NULL, FFCL_AT_X, FFCL_AT_Y, 768, 768, 0, 0, 1, 0},
    END(NULL),
    /* 8 x 8 */
    MIXED_8("Mixed_7b", 1280, FFCL_STEP_MEAN), END(NULL),
    /* Its pool is a maximum, which is the network's own way. */
    MIXED_8("Mixed_7c", 2048, FFCL_STEP_MAX), END(NULL),
};
const size_t ffcl_inception_n_steps = sizeof ffcl_inception_steps / sizeof *ffcl_inception_steps;
