/* SPDX-License-Identifier: MIT
 * The calls of a trial: recorded, as text, and computed. */
#include "selfcheck/trial_job.h"

#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "util.h"

static const char *const kinds[] = {"gemm", "conv", "attention"};
enum { KINDS = sizeof kinds / sizeof *kinds, LINE = 4200 };

/* ---- recording ------------------------------------------------------------------------------ */

static void add(ffcl_trial_calls *calls, const ffcl_trial_call *call)
{
    for (size_t i = 0; i < calls->n; i++) {
        ffcl_trial_call *c = &calls->list[i];
        if (c->kind == call->kind && memcmp(c->n, call->n, sizeof c->n) == 0) {
            c->count += call->count;
            return;
        }
    }
    if (calls->n < FFCL_TRIAL_CALLS)
        calls->list[calls->n++] = *call;
}

static void see_gemm(ffcl_trial_calls *calls, const ffcl_matmul *p)
{
    if (p->a.dtype != FFCL_F16 || ffcl_matmul_batch(p) || p->gather)
        return;
    add(calls, &(ffcl_trial_call){
        FFCL_TRIAL_GEMM, {(unsigned)p->a.batch, (unsigned)p->a.rows, (unsigned)p->w.cols,
                          (unsigned)p->w.rows, (unsigned)ffcl_epilogue_flags(p), p->act,
                          p->out.dtype == FFCL_F32}, 1});
}

static void see_conv(ffcl_trial_calls *calls, const ffcl_conv_desc *d)
{
    add(calls, &(ffcl_trial_call){
        FFCL_TRIAL_CONV, {(unsigned)d->x.batch, (unsigned)ffcl_height(&d->x), (unsigned)d->x.width,
                          (unsigned)d->w->in, (unsigned)d->w->out, (unsigned)d->w->side,
                          (unsigned)d->w->upsample, d->add != NULL}, 1});
}

void ffcl_trial_see(void *user, const ffcl_operation *op, const void *desc)
{
    const ffcl_attention_desc *attention = desc;
    if (op->id == FFCL_OP_GEMM)
        see_gemm(user, desc);
    else if (op->id == FFCL_OP_CONVOLUTION)
        see_conv(user, desc);
    else if (op->id == FFCL_OP_ATTENTION)
        add(user, &(ffcl_trial_call){
            FFCL_TRIAL_ATTENTION,
            {(unsigned)attention->qkv.batch, (unsigned)attention->qkv.rows,
             (unsigned)attention->heads,
             (unsigned)(attention->out.cols / attention->heads)}, 1});
}

/* The modulations of a block instead of those of all, which are a gigabyte of weights. */
void ffcl_trial_xl2(ffcl_trial_calls *calls)
{
    enum { GELU = FFCL_ACT_GELU };
    static const ffcl_trial_call sit[] = {
        {FFCL_TRIAL_GEMM, {1, 1, 6912, 1152, 1, 0, 1}, 28},
        {FFCL_TRIAL_GEMM, {1, 256, 3456, 1152, 1, 0, 0}, 28},
        {FFCL_TRIAL_ATTENTION, {1, 256, 16, 72}, 28},
        {FFCL_TRIAL_GEMM, {1, 256, 1152, 1152, 7, 0, 1}, 28},
        {FFCL_TRIAL_GEMM, {1, 256, 4608, 1152, 1, GELU, 0}, 28},
        {FFCL_TRIAL_GEMM, {1, 256, 1152, 4608, 7, 0, 1}, 28},
    };
    static const ffcl_trial_call vae[] = {
        {FFCL_TRIAL_CONV, {1, 32, 32, 512, 512, 3, 0, 0}, 5},
        {FFCL_TRIAL_CONV, {1, 32, 32, 512, 512, 3, 0, 1}, 5},
        {FFCL_TRIAL_GEMM, {1, 1024, 1536, 512, 1, 0, 0}, 1},
        {FFCL_TRIAL_ATTENTION, {1, 1024, 1, 512}, 1},
        {FFCL_TRIAL_GEMM, {1, 1024, 512, 512, 5, 0, 0}, 1},
        {FFCL_TRIAL_CONV, {1, 32, 32, 512, 512, 3, 1, 0}, 1},
        {FFCL_TRIAL_CONV, {1, 64, 64, 512, 512, 3, 0, 0}, 3},
        {FFCL_TRIAL_CONV, {1, 64, 64, 512, 512, 3, 0, 1}, 3},
        {FFCL_TRIAL_CONV, {1, 64, 64, 512, 512, 3, 1, 0}, 1},
        {FFCL_TRIAL_CONV, {1, 128, 128, 512, 256, 3, 0, 0}, 1},
        {FFCL_TRIAL_CONV, {1, 128, 128, 512, 256, 1, 0, 0}, 1},
        {FFCL_TRIAL_CONV, {1, 128, 128, 256, 256, 3, 0, 0}, 2},
        {FFCL_TRIAL_CONV, {1, 128, 128, 256, 256, 3, 0, 1}, 3},
        {FFCL_TRIAL_CONV, {1, 128, 128, 256, 256, 3, 1, 0}, 1},
        {FFCL_TRIAL_CONV, {1, 256, 256, 256, 128, 3, 0, 0}, 1},
        {FFCL_TRIAL_CONV, {1, 256, 256, 256, 128, 1, 0, 0}, 1},
        {FFCL_TRIAL_CONV, {1, 256, 256, 128, 128, 3, 0, 0}, 2},
        {FFCL_TRIAL_CONV, {1, 256, 256, 128, 128, 3, 0, 1}, 3},
        {FFCL_TRIAL_CONV, {1, 256, 256, 128, 3, 3, 0, 0}, 1},
    };
    static const unsigned batches[] = {1, 4};
    calls->n = 0;
    for (size_t b = 0; b < 2; b++)
        for (size_t i = 0; i < sizeof sit / sizeof *sit; i++) {
            ffcl_trial_call call = sit[i];
            call.n[0] = batches[b];
            add(calls, &call);
        }
    for (size_t i = 0; i < sizeof vae / sizeof *vae; i++)
        add(calls, &vae[i]);
}

/* ---- as text -------------------------------------------------------------------------------- */

void ffcl_trial_text(const ffcl_trial_call *c, char *text, size_t size)
{
    const unsigned *n = c->n;
    if (c->kind == FFCL_TRIAL_GEMM)
        snprintf(text, size, "gemm %u x %u x %u", n[0] * n[1], n[2], n[3]);
    else if (c->kind == FFCL_TRIAL_CONV)
        snprintf(text, size, "conv %u x %u x %u x %u > %u, %u x %u%s", n[0], n[1], n[2], n[3], n[4],
                 n[5], n[5], n[6] ? ", upsampled" : "");
    else
        snprintf(text, size, "attention %u x %u, %u heads of %u", n[0], n[1], n[2], n[3]);
}

char *ffcl_trial_job_text(const ffcl_ctx *ctx, const ffcl_trial *t)
{
    char *text = ffcl_format("device %zu:%zu\nunit %d\ntuning %s\n",
                             ctx->device.platform_index, ctx->device.device_index, (int)t->unit,
                             t->tuning ? t->tuning : "off");
    for (size_t i = 0; text && i < t->calls->n; i++) {
        const ffcl_trial_call *c = &t->calls->list[i];
        const unsigned *n = c->n;
        char *longer = ffcl_format("%s%s %u %u %u %u %u %u %u %u %u\n", text, kinds[c->kind],
                                   c->count, n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]);
        free(text);
        text = longer;
    }
    return text;
}

static int read_call(ffcl_trial_calls *calls, const char *line)
{
    char word[16];
    ffcl_trial_call c = {.count = 0};
    unsigned *n = c.n;
    if (calls->n == FFCL_TRIAL_CALLS ||
        sscanf(line, "%15s %u %u %u %u %u %u %u %u %u", word, &c.count, &n[0], &n[1], &n[2], &n[3],
               &n[4], &n[5], &n[6], &n[7]) != 10 || !n[0] || !n[1] || !n[2] || !n[3])
        return FFCL_EUSAGE;
    for (int k = 0; k < KINDS; k++)
        if (strcmp(word, kinds[k]) == 0) {
            c.kind = (ffcl_trial_kind)k;
            calls->list[calls->n++] = c;
            return 0;
        }
    return FFCL_EUSAGE;
}

int ffcl_trial_job_read(ffcl_trial_job *job, FILE *in)
{
    char line[LINE];
    int rc = 0;
    memset(job, 0, sizeof *job);
    while (rc == 0 && fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = '\0';
        if (!strncmp(line, "device ", 7))
            snprintf(job->device, sizeof job->device, "%.60s", line + 7);
        else if (!strncmp(line, "tuning ", 7))
            snprintf(job->tuning, sizeof job->tuning, "%.4000s", line + 7);
        else if (sscanf(line, "unit %d", &job->unit) != 1)
            rc = read_call(&job->calls, line);
    }
    return rc ? rc : *job->device && job->calls.n && job->unit >= 0 &&
                         job->unit <= FFCL_UNIT_DPAS16 ? 0 : FFCL_EUSAGE;
}

/* ---- computing ------------------------------------------------------------------------------ */

void ffcl_trial_enter(ffcl_ctx *ctx, ffcl_trial_road road, ffcl_matrix_unit unit)
{
    const int is_unit = road == FFCL_ROAD_UNIT || road == FFCL_ROAD_LARGE;
    ctx->matrix_unit = is_unit ? unit : FFCL_UNIT_NONE;
    ctx->large_registers = road == FFCL_ROAD_LARGE;
    ctx->blas->prefers_blocked = road == FFCL_ROAD_OWN;
}

int ffcl_trial_has_large(ffcl_matrix_unit unit)
{
    return unit == FFCL_UNIT_DPAS8 || unit == FFCL_UNIT_DPAS16;
}

ffcl_dtype ffcl_trial_dtype(ffcl_trial_road road)
{
    return road <= FFCL_ROAD_OWN ? FFCL_F32 : FFCL_F16;
}

/* Attention has kernels of its own in float32, in half and on tensor cores; ffcl's own GEMM changes
 * GEMMs, and convolutions that are one. */
int ffcl_trial_differs(const ffcl_ctx *ctx, const ffcl_trial_call *c, ffcl_trial_road road)
{
    if (road == FFCL_ROAD_OWN)
        return ctx->blas->has_blocked && c->kind != FFCL_TRIAL_ATTENTION;
    if (road == FFCL_ROAD_LARGE)
        return c->kind != FFCL_TRIAL_ATTENTION;
    if (road == FFCL_ROAD_UNIT)
        return c->kind != FFCL_TRIAL_ATTENTION || ffcl_has_tensor_cores(ctx);
    return 1;
}

static void shape_conv(const ffcl_ctx *ctx, const unsigned *n, ffcl_dtype dtype,
                       ffcl_trial_operands *o)
{
    const size_t scale = n[6] ? 2 : 1;
    const int is_narrow = n[4] <= 4 && !n[6];   /* DIRECT and NARROW give float32 */
    o->a = ffcl_image_of(dtype, n[0], n[1], n[2], n[3]);
    o->out = ffcl_image_of(is_narrow ? FFCL_F32 : dtype, n[0], scale * n[1], scale * n[2], n[4]);
    o->add = o->out;
    o->conv = (ffcl_conv_weight){.in = n[3], .out = n[4], .side = n[5], .upsample = (int)n[6],
                                 .is_final = is_narrow, .dtype = dtype};
    ffcl_conv_lay_out(ctx, &o->conv);
}

void ffcl_trial_shape(const ffcl_ctx *ctx, const ffcl_trial_call *c, ffcl_dtype dtype,
                      ffcl_trial_operands *o)
{
    const unsigned *n = c->n;
    memset(o, 0, sizeof *o);
    if (c->kind == FFCL_TRIAL_CONV) {
        shape_conv(ctx, n, dtype, o);
    } else if (c->kind == FFCL_TRIAL_ATTENTION) {
        o->a = ffcl_tensor_of(dtype, n[0], n[1], (size_t)3 * n[2] * n[3]);
        o->out = ffcl_tensor_of(dtype, n[0], n[1], (size_t)n[2] * n[3]);
    } else {
        o->a = ffcl_tensor_of(dtype, n[0], n[1], n[3]);
        o->w = ffcl_tensor_of(dtype, 1, n[3], n[2]);
        o->w.layout = dtype == FFCL_F16 ? FFCL_TILES : FFCL_ROWS;
        o->out = ffcl_tensor_of(n[6] ? FFCL_F32 : dtype, n[0], n[1], n[2]);
        o->add = o->out;
        o->bias = ffcl_tensor_of(FFCL_F32, 1, 1, n[2]);
        o->gate = ffcl_tensor_of(FFCL_F32, n[0], 1, n[2]);
    }
}

void ffcl_trial_call_run(ffcl_ctx *ctx, const ffcl_trial_call *c, const ffcl_trial_operands *o)
{
    const unsigned *n = c->n;
    if (c->kind == FFCL_TRIAL_CONV)
        ffcl_conv(ctx, &(ffcl_conv_desc){.out = o->out, .x = o->a, .w = &o->conv,
                                         .add = n[7] ? &o->add : NULL});
    else if (c->kind == FFCL_TRIAL_ATTENTION)
        ffcl_attention(ctx, &o->out, &o->a, n[2]);
    else
        ffcl_gemm(ctx, &(ffcl_matmul){
            .out = o->out, .a = o->a, .w = o->w, .bias = n[4] & 1 ? &o->bias : NULL,
            .gate = n[4] & 2 ? &o->gate : NULL, .add = n[4] & 4 ? &o->add : NULL,
            .act = (ffcl_act)n[5]});
}

/* What fills half operands and weights is a program, too. */
static void plan_loading(ffcl_ctx *ctx, const ffcl_trial_call *c, const ffcl_trial_operands *o)
{
    const ffcl_tensor f32 = ffcl_tensor_of(FFCL_F32, 1, 1, 1);
    const ffcl_tensor f16 = ffcl_tensor_of(FFCL_F16, 1, 1, 1);
    if (o->a.dtype == FFCL_F16) {
        ffcl_cast(ctx, &f16, &f32);
        ffcl_cast(ctx, &f32, &f16);
    }
    if (o->w.layout == FFCL_TILES) {
        const ffcl_tensor from = ffcl_tensor_of(FFCL_F32, 1, 1, o->w.rows);
        ffcl_cast_to_tiles(ctx, &o->w, &from, 0);
    }
    if (c->kind == FFCL_TRIAL_CONV && !ffcl_conv_parts(&o->conv))
        ffcl_conv_load_channels(ctx, &o->conv, 0, o->conv.out, &f32);
}

static void plan_call(ffcl_ctx *ctx, const ffcl_trial_call *c, ffcl_trial_road road,
                      ffcl_matrix_unit unit)
{
    ffcl_trial_operands o;
    ffcl_trial_enter(ctx, road, unit);
    if (!ffcl_trial_differs(ctx, c, road))
        return;
    ffcl_trial_shape(ctx, c, ffcl_trial_dtype(road), &o);
    plan_loading(ctx, c, &o);
    for (int invariant = 0; invariant < (road == FFCL_ROAD_UNIT ? 2 : 1); invariant++) {
        ctx->batch_invariant = invariant;
        ffcl_trial_call_run(ctx, c, &o);
    }
    ctx->batch_invariant = 0;
}

void ffcl_trial_plan(ffcl_ctx *ctx, const ffcl_trial_calls *calls, ffcl_matrix_unit unit)
{
    const int roads = unit == FFCL_UNIT_NONE ? FFCL_ROAD_UNIT : FFCL_ROADS;
    const int planning = ctx->planning, batch_invariant = ctx->batch_invariant;
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    for (int road = 0; road < roads; road++)
        for (size_t i = 0; i < calls->n; i++)
            plan_call(ctx, &calls->list[i], (ffcl_trial_road)road, unit);
    for (size_t i = 0; ffcl_trial_has_large(unit) && i < calls->n; i++)
        plan_call(ctx, &calls->list[i], FFCL_ROAD_LARGE, unit);
    ffcl_trial_enter(ctx, FFCL_ROAD_LIBRARY, FFCL_UNIT_NONE);
    ctx->planning = planning;
    ctx->batch_invariant = batch_invariant;
}
