/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "cl/variant.h"
#include "ops/cost.h"
#include "util.h"

void ffcl_swiglu(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, size_t F)
{
    /* PoCL makes many steps of a vector of halves. */
    const int is_slow = out->dtype == FFCL_F16 && ffcl_on_cpu(ctx, NULL);
    const size_t V = (F | x->cols | out->cols) % 8 == 0 && !is_slow ? 8 : 1;
    char options[32];
    snprintf(options, sizeof options, "-DV=%zu %s", V, ffcl_dtype_option(out->dtype));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "swiglu", "swiglu", options);
    const size_t local[2] = {ffcl_local_size(ctx, k, 64), 1};
    const size_t global[2] = {ffcl_round_up(out->cols / V, local[0]), out->batch * out->rows};
    ffcl_work(ctx, ffcl_swiglu_cost(out, F));
    ffcl_launch(ctx, k, 2, global, local, FFCL_DENSE(out), FFCL_DENSE(x), FFCL_INT(F),
                FFCL_INT(x->cols), FFCL_INT(out->cols));
}
