/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

/* A work-item for four columns of each of the tokens of `of`. */
static void launch(ffcl_ctx *ctx, const ffcl_kernel *k, const ffcl_tensor *of,
                   const ffcl_arg *args, size_t n_args)
{
    const size_t local[2] = {ffcl_local_size(ctx, k, 64), 1};
    const size_t global[2] = {ffcl_round_up(of->cols / 4, local[0]), of->batch * of->rows};
    ffcl_launch_args(ctx, k, 2, global, local, args, n_args);
}

void ffcl_join_tokens(ffcl_ctx *ctx, const ffcl_tokens_desc *d)
{
    const ffcl_tensor *pos = d->pos;
    char options[160] = "-DENDS=";
    size_t used = strlen(options);
    for (size_t k = 0; k <= d->scalars.rows; k++)
        used += (size_t)snprintf(options + used, sizeof options - used, "%s%zu", k ? "," : "",
                                 d->ends[k]);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "tokens", "tokens_join", options);
    const ffcl_arg args[] = {FFCL_DENSE(&d->x), FFCL_DENSE(&d->patches), FFCL_DENSE(&d->parameter),
                             FFCL_DENSE(&d->table), FFCL_DENSE(&d->y), FFCL_BUF(&d->scalars),
                             FFCL_INT(d->scalars.at / 4),
                             pos ? FFCL_DENSE(pos) : FFCL_BUF(&d->table), FFCL_INT(pos != NULL),
                             FFCL_INT(d->scalars.batch), FFCL_INT(d->patches.rows),
                             FFCL_INT(d->x.cols / 4)};
    ffcl_work(ctx, ffcl_join_tokens_cost(d));
    launch(ctx, k, &d->x, args, sizeof args / sizeof *args);
}

void ffcl_drop_prefix(ffcl_ctx *ctx, const ffcl_tensor *patches, const ffcl_tensor *x)
{
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "tokens", "tokens_drop", "-DENDS=1");
    const ffcl_arg args[] = {FFCL_DENSE(patches), FFCL_DENSE(x), FFCL_INT(x->rows - patches->rows),
                             FFCL_INT(patches->rows), FFCL_INT(x->cols / 4)};
    ffcl_work(ctx, ffcl_drop_prefix_cost(ffcl_count(patches)));
    launch(ctx, k, patches, args, sizeof args / sizeof *args);
}
