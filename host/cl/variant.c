/* SPDX-License-Identifier: MIT */
#include "cl/variant.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cl/choices.h"
#include "cl/limits.h"

static const ffcl_variant *choose(const ffcl_ctx *ctx, const ffcl_operation *op, const void *desc)
{
    const ffcl_variant *forced = ctx->forced[op->id], *best = NULL;
    const ffcl_variant *last = NULL;
    if (forced && forced->can(ctx, desc) && !ffcl_is_ruled_out(ctx, forced))
        return forced;
    for (size_t i = 0; i < op->n; i++) {
        const ffcl_variant *v = &op->variants[i];
        if (!v->can(ctx, desc) || (v->pays && !v->pays(ctx, desc)))
            continue;
        last = v;
        if (!ffcl_is_ruled_out(ctx, v))
            best = v;
    }
    /* Where all are ruled out, the launch says why not. */
    assert(last);
    return best ? best : last;
}

const ffcl_variant *ffcl_choose(const ffcl_ctx *ctx, const ffcl_operation *op, const void *desc)
{
    ffcl_sizes sizes = {0};
    if (!ctx->choices)
        return choose(ctx, op, desc);
    ffcl_sizes_add(&sizes, (size_t)ctx->batch_invariant);
    op->sizes(&sizes, desc);
    const ffcl_variant **kept = ffcl_choices_at(ctx->choices, op->id, &sizes);
    if (kept && *kept)
        return *kept;
    if (ctx->trace && !ctx->planning)
        fprintf(ctx->trace, "unplanned %s\n", op->name);
    const ffcl_variant *chosen = choose(ctx, op, desc);
    if (kept)
        *kept = chosen;
    return chosen;
}

/* Once for each operation. */
static void report_passed_over(ffcl_ctx *ctx, const ffcl_operation *op)
{
    char text[200];
    const ffcl_variant *forced = ctx->forced[op->id];
    if (!forced || forced == ctx->variant || (ctx->passed_over & 1u << op->id))
        return;
    ctx->passed_over |= 1u << op->id;
    snprintf(text, sizeof text, "%s: the forced variant %s cannot compute every call here; %s "
             "does instead", op->name, forced->name, ctx->variant->name);
    ffcl_report(ctx->obs, FFCL_PHASE_WARN, text, 0, 0);
}

void ffcl_dispatch(ffcl_ctx *ctx, const ffcl_operation *op, const void *desc)
{
    const ffcl_operation *outer = ctx->running;
    const ffcl_variant *outer_variant = ctx->variant;
    if (ctx->status)
        return;
    if (ctx->planning && ctx->see && !outer)
        ctx->see(ctx->see_user, op, desc);
    ctx->running = op;
    ctx->variant = ffcl_choose(ctx, op, desc);
    report_passed_over(ctx, op);
    ctx->variant->run(ctx, desc);
    ctx->running = outer;
    ctx->variant = outer_variant;
}

int ffcl_on_cpu(const ffcl_ctx *ctx, const void *desc)
{
    (void)desc;
    return ffcl_is_cpu(ctx);
}

int ffcl_on_gpu(const ffcl_ctx *ctx, const void *desc)
{
    (void)desc;
    return !ffcl_is_cpu(ctx);
}

const ffcl_variant *ffcl_variant_find(const ffcl_operation *op, const char *name)
{
    for (size_t i = 0; i < op->n; i++)
        if (strcmp(op->variants[i].name, name) == 0)
            return &op->variants[i];
    return NULL;
}
