/* SPDX-License-Identifier: MIT */
#include "eval/habits.h"

#include <string.h>

static const ffcl_habit habits[] = {
    [FFCL_LIKE_ADM] = {"adm", 0, {.each = 5000}, 1},
    [FFCL_LIKE_TORCH_FIDELITY] = {"torch-fidelity", 0,
                                  {.splits = 10, .shuffles = 1, .seed = 2020}, 0},
    [FFCL_LIKE_PYTORCH_FID] = {"pytorch-fid", 1, {.splits = 10, .shuffles = 1, .seed = 2020}, 0},
};

const ffcl_habit *ffcl_habit_of(ffcl_like like)
{
    return &habits[like];
}

int ffcl_habit_find(const char *name, ffcl_like *like)
{
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
        if (strcmp(habits[i].name, name) == 0) {
            *like = (ffcl_like)i;
            return 0;
        }
    return -1;
}
