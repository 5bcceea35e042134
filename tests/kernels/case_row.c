/* SPDX-License-Identifier: MIT
 * What a row asks of the context, and which variant computes its cases. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "registry.h"
#include "selfcheck/units.h"

int ffcl_unit_is_emulated(const ffcl_ctx *ctx, ffcl_matrix_unit unit)
{
    const ffcl_ctx plain = {.device = ctx->device};
    return unit != FFCL_UNIT_NONE && unit != FFCL_UNIT_MMA && unit != FFCL_UNIT_WGMMA &&
           !ffcl_unit_listed(&plain, unit);
}

void ffcl_case_begin(ffcl_case *c)
{
    ffcl_ctx *ctx = c->ctx;
    const ffcl_row *row = c->row;
    const size_t units = c->as_is ? 0 : row->units ? row->units
                                  : ffcl_row_number(row, &c->shape, "units");
    c->random = c->seed;
    c->scale = 1.0;
    c->before.forced = ctx->forced[row->op];
    c->before.unit = ctx->matrix_unit;
    c->before.units = ctx->device.caps.units;
    c->before.few_lanes = ctx->device.caps.few_lanes;
    c->before.emulate = ctx->emulate;
    c->before.batch_invariant = ctx->batch_invariant;
    if (row->describe)
        ctx->forced[row->op] = row->variant ? ffcl_variant_find(ffcl_operations[row->op],
                                                                row->variant) : NULL;
    ctx->matrix_unit = row->unit;
    ctx->emulate = ffcl_unit_is_emulated(ctx, row->unit);
    ctx->batch_invariant = row->batch_invariant;
    if (units)
        ctx->device.caps.units = (cl_uint)units;
    if (row->few_lanes)
        ctx->device.caps.few_lanes = row->few_lanes;
    row->operands(c);
}

void ffcl_case_end(ffcl_case *c)
{
    ffcl_ctx *ctx = c->ctx;
    for (size_t i = 0; i < c->n_operands; i++) {
        ffcl_operand *t = &c->operand[i];
        if (t->mem && t->mem != t->whole)
            clReleaseMemObject(t->mem);
        if (t->whole)
            clReleaseMemObject(t->whole);
        free(t->host);
        free(t->image);
    }
    free(c->want);
    free(c->sample);
    c->want = NULL;
    c->sample = NULL;
    c->n_operands = c->n_samples = 0;
    ctx->forced[c->row->op] = c->before.forced;
    ctx->matrix_unit = c->before.unit;
    ctx->device.caps.units = c->before.units;
    ctx->device.caps.few_lanes = c->before.few_lanes;
    ctx->emulate = c->before.emulate;
    ctx->batch_invariant = c->before.batch_invariant;
}

const char *ffcl_case_needs_unit(const ffcl_case *c)
{
    const ffcl_caps *caps = &c->ctx->device.caps;
    const ffcl_matrix_unit unit = c->row->unit;
    const int is_nvidia = unit == FFCL_UNIT_MMA || unit == FFCL_UNIT_WGMMA;
    if (unit == FFCL_UNIT_WGMMA && caps->nv_compute != 90)
        return "needs NVIDIA compute capability 9.0";
    if (unit == FFCL_UNIT_MMA && caps->nv_compute < 80)
        return "needs NVIDIA compute capability 8.0 or more";
    if (is_nvidia && caps->local_bytes < 49152)
        return "needs 48 KB of local memory";
    /* Of MFMA it needs that much; on devices with less, which are slow ones that check every
     * access, a case would take minutes. */
    if (c->ctx->emulate && caps->local_bytes < 49152)
        return "emulated only where there are 48 KB of local memory";
    return NULL;
}

const char *ffcl_case_skip(ffcl_case *c)
{
    const ffcl_row *row = c->row;
    const char *reason = row->skip ? row->skip(c) : NULL;
    ffcl_call call;
    if (reason || !row->describe)
        return reason;
    const ffcl_operation *op = ffcl_operations[row->op];
    row->describe(c, &call);
    for (size_t i = 0; i < op->n; i++)
        if ((!row->variant || strcmp(op->variants[i].name, row->variant) == 0) &&
            op->variants[i].can(c->ctx, &call))
            return NULL;
    snprintf(c->reason, sizeof c->reason, "%s by %s cannot compute it on this device", op->name,
             row->variant ? row->variant : "this back end");
    return c->reason;
}

const ffcl_variant *ffcl_case_variant(const ffcl_case *c)
{
    ffcl_call call;
    if (!c->row->describe)
        return NULL;
    c->row->describe(c, &call);
    return ffcl_choose(c->ctx, ffcl_operations[c->row->op], &call);
}

ffcl_cost ffcl_case_cost(const ffcl_case *c)
{
    ffcl_call call;
    if (c->row->cost)
        return c->row->cost(c);
    c->row->describe(c, &call);
    return ffcl_choose(c->ctx, ffcl_operations[c->row->op], &call)->cost(&call);
}

const ffcl_variant *ffcl_case_choice(ffcl_ctx *ctx, const ffcl_row *row, const ffcl_shape *shape)
{
    ffcl_case c = {.ctx = ctx, .row = row, .shape = *shape};
    row->operands(&c);
    return ffcl_case_variant(&c);
}

void ffcl_case_call(const ffcl_case *c, const ffcl_call *call)
{
    switch (c->row->op) {
    case FFCL_OP_GEMM:
        ffcl_gemm(c->ctx, &call->gemm);
        break;
    case FFCL_OP_ATTENTION:
        ffcl_attention(c->ctx, &call->attention.out, &call->attention.qkv, call->attention.heads);
        break;
    case FFCL_OP_SOFTMAX:
        ffcl_softmax(c->ctx, &call->softmax.out, &call->softmax.x, call->softmax.scale);
        break;
    case FFCL_OP_LAYERNORM:
        ffcl_layernorm(c->ctx, &call->layernorm);
        break;
    case FFCL_OP_QK_NORM:
        ffcl_qk_norm(c->ctx, &call->qk_norm);
        break;
    case FFCL_OP_GROUPNORM:
        ffcl_groupnorm(c->ctx, &call->groupnorm);
        break;
    case FFCL_OP_POOL:
        ffcl_pool_3x3(c->ctx, &call->pool.out, &call->pool.x, call->pool.pool);
        break;
    default:
        ffcl_conv(c->ctx, &call->conv);
    }
}
