/* SPDX-License-Identifier: MIT
 * Names of TensorFlow's graph of 2015-12-05, classify_image_graph_def.pb, as those of the PyTorch
 * file. */
#include <stdio.h>
#include <string.h>

#include "model/inception_steps.h"
#include "util.h"

/* Of a unit within a block. */
typedef struct pair {
    const char *graph, *torch;
} pair;

static const pair stem[] = {
    {"conv", "Conv2d_1a_3x3"}, {"conv_1", "Conv2d_2a_3x3"}, {"conv_2", "Conv2d_2b_3x3"},
    {"conv_3", "Conv2d_3b_1x1"}, {"conv_4", "Conv2d_4a_3x3"}, {NULL, NULL},
};
static const pair block_5[] = {
    {"conv", "branch1x1"}, {"tower/conv", "branch5x5_1"}, {"tower/conv_1", "branch5x5_2"},
    {"tower_1/conv", "branch3x3dbl_1"}, {"tower_1/conv_1", "branch3x3dbl_2"},
    {"tower_1/conv_2", "branch3x3dbl_3"}, {"tower_2/conv", "branch_pool"}, {NULL, NULL},
};
static const pair block_6a[] = {
    {"conv", "branch3x3"}, {"tower/conv", "branch3x3dbl_1"}, {"tower/conv_1", "branch3x3dbl_2"},
    {"tower/conv_2", "branch3x3dbl_3"}, {NULL, NULL},
};
static const pair block_6[] = {
    {"conv", "branch1x1"}, {"tower/conv", "branch7x7_1"}, {"tower/conv_1", "branch7x7_2"},
    {"tower/conv_2", "branch7x7_3"}, {"tower_1/conv", "branch7x7dbl_1"},
    {"tower_1/conv_1", "branch7x7dbl_2"}, {"tower_1/conv_2", "branch7x7dbl_3"},
    {"tower_1/conv_3", "branch7x7dbl_4"}, {"tower_1/conv_4", "branch7x7dbl_5"},
    {"tower_2/conv", "branch_pool"}, {NULL, NULL},
};
static const pair block_7a[] = {
    {"tower/conv", "branch3x3_1"}, {"tower/conv_1", "branch3x3_2"},
    {"tower_1/conv", "branch7x7x3_1"}, {"tower_1/conv_1", "branch7x7x3_2"},
    {"tower_1/conv_2", "branch7x7x3_3"}, {"tower_1/conv_3", "branch7x7x3_4"}, {NULL, NULL},
};
static const pair block_7[] = {
    {"conv", "branch1x1"}, {"tower/conv", "branch3x3_1"}, {"tower/mixed/conv", "branch3x3_2a"},
    {"tower/mixed/conv_1", "branch3x3_2b"}, {"tower_1/conv", "branch3x3dbl_1"},
    {"tower_1/conv_1", "branch3x3dbl_2"}, {"tower_1/mixed/conv", "branch3x3dbl_3a"},
    {"tower_1/mixed/conv_1", "branch3x3dbl_3b"}, {"tower_2/conv", "branch_pool"}, {NULL, NULL},
};

static const struct {
    const char *graph, *torch;          /* what names begin with */
    const pair *units;
} blocks[] = {
    {"", "", stem}, {"mixed/", "Mixed_5b.", block_5}, {"mixed_1/", "Mixed_5c.", block_5},
    {"mixed_2/", "Mixed_5d.", block_5}, {"mixed_3/", "Mixed_6a.", block_6a},
    {"mixed_4/", "Mixed_6b.", block_6}, {"mixed_5/", "Mixed_6c.", block_6},
    {"mixed_6/", "Mixed_6d.", block_6}, {"mixed_7/", "Mixed_6e.", block_6},
    {"mixed_8/", "Mixed_7a.", block_7a}, {"mixed_9/", "Mixed_7b.", block_7},
    {"mixed_10/", "Mixed_7c.", block_7},
};

static const pair parts[] = {
    {"/conv2d_params", ".conv.weight"}, {"/batchnorm/gamma", ".bn.weight"},
    {"/batchnorm/beta", ".bn.bias"}, {"/batchnorm/moving_mean", ".bn.running_mean"},
    {"/batchnorm/moving_variance", ".bn.running_var"}, {NULL, NULL},
};

/* name behind what it begins with; NULL: it begins with something else. */
static const char *behind(const char *name, const char *beginning)
{
    const size_t n = strlen(beginning);
    return strncmp(name, beginning, n) == 0 ? name + n : NULL;
}

char *ffcl_inception_graph_name(const char *name)
{
    if (strcmp(name, "softmax/weights") == 0)
        return ffcl_format("fc.weight");
    if (strcmp(name, "softmax/biases") == 0)
        return ffcl_format("fc.bias");
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        const char *in_block = behind(name, blocks[i].graph);
        for (const pair *u = blocks[i].units; in_block && u->graph; u++) {
            const char *in_unit = behind(in_block, u->graph);
            for (const pair *p = parts; in_unit && p->graph; p++)
                if (strcmp(in_unit, p->graph) == 0)
                    return ffcl_format("%s%s%s", blocks[i].torch, u->torch, p->torch);
        }
    }
    return NULL;
}
