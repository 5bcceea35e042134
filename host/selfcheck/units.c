/* SPDX-License-Identifier: MIT */
#include "selfcheck/units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cl/binary_cache.h"
#include "cl/program.h"
#include "ops/ops.h"
#include "selfcheck/reference.h"
#include "selfcheck/result.h"
#include "util.h"

/* mma.sync on halves with cp.async from 8.0 on; wgmma in 9.0 alone. */
enum { MMA_CAPABILITY = 80, WGMMA_CAPABILITY = 90 };
/* Raise CHECK_VERSION when the check or its tolerances change: old results are then void.
 * SIZE: elements of every buffer; no trial needs more. */
enum { CHECK_VERSION = 8, SIZE = 1 << 18 };

typedef struct probe {
    ffcl_tensor a, w, bias;     /* (SIZE) noise: half, half, float32 */
    ffcl_tensor out, floats;    /* (SIZE) a result, and a half one as float32 */
    float *given[3];            /* (SIZE) a, w, bias as the device has them */
    float *host[2];             /* (SIZE) results: of reference.h, and the unit's */
} probe;

/* A computation by the matrix unit, or with FFCL_UNIT_NONE by ffcl's own GEMM for GPUs, and what it
 * has to give. */
typedef struct trial {
    size_t n;                   /* results */
    int half;                   /* they are half */
    double most;                /* relative distance of the two results, above that of roundings */
    void (*run)(ffcl_ctx *ctx, const probe *p);
    int (*want)(const probe *p, float *out);    /* 0, or FFCL_ENOMEM */
    /* Of WGMMA alone, of FFCL_UNIT_NONE alone. */
    int wgmma_only, own_only;
    size_t head;                /* of attention with so many columns a head; 0: of all models */
} trial;

/* From now on who is on trial computes, or does not. */
static void let(ffcl_ctx *ctx, ffcl_matrix_unit unit, int with)
{
    ctx->matrix_unit = with ? unit : FFCL_UNIT_NONE;
    if (ctx->blas)
        (void)ffcl_gemm_let_own_half(ctx, with && unit == FFCL_UNIT_NONE);
}

/* The first elements of a buffer as a tensor of that shape. */
static ffcl_tensor shaped(const ffcl_tensor *t, ffcl_tensor shape)
{
    return ffcl_tensor_in(t->mem, shape);
}

enum { M = 200, N = 136, K = 168 };

static void try_gemm(ffcl_ctx *ctx, const probe *p)
{
    ffcl_tensor w = shaped(&p->w, ffcl_tensor_of(FFCL_F16, 1, K, N));
    w.layout = FFCL_TILES;
    ffcl_gemm(ctx, &(ffcl_matmul){.out = shaped(&p->out, ffcl_tensor_of(FFCL_F32, 1, M, N)),
                                  .a = shaped(&p->a, ffcl_tensor_of(FFCL_F16, 1, M, K)), .w = w,
                                  .bias = &p->bias, .act = FFCL_ACT_GELU});
}

/* Beside wgmma, which leaves it GEMMs of few columns and attention of other heads. */
static void try_gemm_mma(ffcl_ctx *ctx, const probe *p)
{
    const ffcl_matrix_unit unit = ctx->matrix_unit;
    ctx->matrix_unit = FFCL_UNIT_MMA;
    try_gemm(ctx, p);
    ctx->matrix_unit = unit;
}

static int want_gemm(const probe *p, float *out)
{
    ffcl_reference_gemm_gelu(out, p->given[0], p->given[1], p->given[2], M, N, K);
    return 0;
}

/* Forces the variant for one call. */
static const ffcl_variant *force(ffcl_ctx *ctx, const ffcl_operation *op, const char *name)
{
    const ffcl_variant *before = ctx->forced[op->id];
    ctx->forced[op->id] = ffcl_variant_find(op, name);
    return before;
}

enum { SIDE = 24, C = 128, COUT = 40 };        /* enough channels to be shared out */

/* variant: NULL, the one that is chosen. */
static void convolve(ffcl_ctx *ctx, const probe *p, const char *variant)
{
    ffcl_conv_weight w = {.in = C, .out = COUT, .side = 3, .dtype = FFCL_F16};
    ffcl_conv_lay_out(ctx, &w);
    w.weight[0].mem = p->w.mem;
    w.bias.mem = p->bias.mem;
    const ffcl_variant *before = ctx->forced[FFCL_OP_CONVOLUTION];
    if (variant)
        force(ctx, &ffcl_conv_operation, variant);
    ffcl_conv(ctx, &(ffcl_conv_desc){
        .out = shaped(&p->out, ffcl_image_of(FFCL_F16, 1, SIDE, SIDE, COUT)),
        .x = shaped(&p->a, ffcl_image_of(FFCL_F16, 1, SIDE, SIDE, C)), .w = &w});
    ctx->forced[FFCL_OP_CONVOLUTION] = before;
}

static void try_conv(ffcl_ctx *ctx, const probe *p)
{
    convolve(ctx, p, "halo");
}

/* By batches of float32 GEMMs (Winograd's method). */
static void try_batches(ffcl_ctx *ctx, const probe *p)
{
    convolve(ctx, p, NULL);
}

static int want_conv(const probe *p, float *out)
{
    return ffcl_reference_conv(out, p->given[0], p->given[1], p->given[2], SIDE, C, COUT);
}

enum { T = 200, H = 2 };

static void attend(ffcl_ctx *ctx, const probe *p, size_t Dh)
{
    const ffcl_tensor out = shaped(&p->out, ffcl_tensor_of(FFCL_F16, 1, T, H * Dh));
    const ffcl_tensor qkv = shaped(&p->a, ffcl_tensor_of(FFCL_F16, 1, T, 3 * H * Dh));
    const ffcl_variant *before = force(ctx, &ffcl_attention_operation, "wgmma");
    ffcl_attention(ctx, &out, &qkv, H);
    ctx->forced[FFCL_OP_ATTENTION] = before;
}

static void try_attention_64(ffcl_ctx *ctx, const probe *p)
{
    attend(ctx, p, 64);
}

static int want_attention_64(const probe *p, float *out)
{
    return ffcl_reference_attention(out, p->given[0], T, H, 64);
}

static void try_attention_72(ffcl_ctx *ctx, const probe *p)
{
    attend(ctx, p, 72);
}

static int want_attention_72(const probe *p, float *out)
{
    return ffcl_reference_attention(out, p->given[0], T, H, 72);
}

static const trial trials[] = {
    {M * N, 0, 1e-5, try_gemm, want_gemm, 0, 0, 0},
    {M * N, 0, 1e-5, try_gemm_mma, want_gemm, 1, 0, 0},
    {SIDE * SIDE * COUT, 1, 1e-3, try_conv, want_conv, 1, 0, 0},
    {T * H * 64, 1, 2e-3, try_attention_64, want_attention_64, 1, 0, 64},
    {T * H * 72, 1, 2e-3, try_attention_72, want_attention_72, 1, 0, 72},
    {SIDE * SIDE * COUT, 1, 1e-3, try_batches, want_conv, 0, 1, 0},
};
enum { TRIALS = sizeof trials / sizeof *trials };

/* Trials that are made, and whose result is kept, together: those of a head.  Attention of heads
 * that a model does not have is not compiled for it. */
static const size_t groups[] = {0, 64, 72};
enum { GROUPS = sizeof groups / sizeof *groups };

static int create(ffcl_ctx *ctx, ffcl_tensor *t, ffcl_dtype dtype)
{
    *t = ffcl_tensor_of(dtype, 1, 1, SIZE);
    return ffcl_buffer_create(ctx, &t->mem, SIZE * ffcl_dtype_bytes(dtype),
                              "the check of the matrix unit");
}

/* Noise into t, and what t then has into given. */
static int fill(ffcl_ctx *ctx, const probe *p, ffcl_tensor *t, ffcl_dtype dtype, float scale,
                float *given)
{
    unsigned state = 12345;
    for (size_t i = 0; i < SIZE; i++)
        given[i] = scale * ffcl_selfcheck_noise(&state);
    int rc = create(ctx, t, dtype);
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, dtype == FFCL_F16 ? p->floats.mem : t->mem, 0, given,
                               SIZE * sizeof(float));
    if (rc || dtype == FFCL_F32)
        return rc;
    ffcl_cast(ctx, t, &p->floats);
    ffcl_cast(ctx, &p->floats, t);
    rc = ffcl_ctx_check(ctx);
    return rc ? rc : ffcl_buffer_read(ctx, p->floats.mem, 0, given, SIZE * sizeof(float));
}

static int open_probe(ffcl_ctx *ctx, probe *p)
{
    float *all = calloc(5 * SIZE, sizeof *all);
    if (!all)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the check of the matrix unit");
    for (size_t i = 0; i < 2; i++)
        p->host[i] = all + i * SIZE;
    for (size_t i = 0; i < 3; i++)
        p->given[i] = all + (2 + i) * SIZE;
    int rc = create(ctx, &p->floats, FFCL_F32);
    if (rc == 0)
        rc = create(ctx, &p->out, FFCL_F32);
    if (rc == 0)
        rc = fill(ctx, p, &p->a, FFCL_F16, 1.0f, p->given[0]);
    if (rc == 0)
        rc = fill(ctx, p, &p->w, FFCL_F16, 0.125f, p->given[1]);
    return rc ? rc : fill(ctx, p, &p->bias, FFCL_F32, 0.125f, p->given[2]);
}

static void close_probe(probe *p)
{
    const cl_mem all[] = {p->a.mem, p->w.mem, p->bias.mem, p->out.mem, p->floats.mem};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            clReleaseMemObject(all[i]);
    free(p->host[0]);
}

/* Plans the trial's scratch memory, then runs it. */
static int run_trial(ffcl_ctx *ctx, const probe *p, const trial *t)
{
    const probe nothing = {0};
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    t->run(ctx, &nothing);
    ctx->planning = 0;
    int rc = ffcl_ctx_check(ctx);
    if (rc == 0)
        rc = ffcl_arena_commit(ctx->arena);
    if (rc)
        return rc;
    ffcl_arena_rewind(ctx->arena);
    t->run(ctx, p);
    return ffcl_ctx_check(ctx);
}

/* The trial's results as float32 into host. */
static int fetch(ffcl_ctx *ctx, const probe *p, const trial *t, float *host)
{
    if (t->half) {
        const ffcl_tensor shape = ffcl_tensor_of(FFCL_F32, 1, 1, t->n);
        ffcl_tensor out = shaped(&p->out, shape), floats = shaped(&p->floats, shape);
        out.dtype = FFCL_F16;
        ffcl_cast(ctx, &floats, &out);
    }
    int rc = ffcl_ctx_check(ctx);
    return rc ? rc : ffcl_buffer_read(ctx, t->half ? p->floats.mem : p->out.mem, 0, host,
                                      t->n * sizeof(float));
}

/* Relative distance of the unit's result from what it has to be. */
static int distance(ffcl_ctx *ctx, const probe *p, const trial *t, double *result)
{
    double diff = 0, norm = 0;
    int rc = run_trial(ctx, p, t);
    if (rc == 0)
        rc = fetch(ctx, p, t, p->host[1]);
    if (rc == 0 && t->want(p, p->host[0]))
        rc = ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the check of the matrix unit");
    if (rc)
        return rc;
    for (size_t i = 0; i < t->n; i++) {
        diff += pow((double)p->host[1][i] - p->host[0][i], 2);
        norm += pow(p->host[0][i], 2);
    }
    *result = sqrt(diff / norm);
    return 0;
}

/* Does the trial concern the unit? */
static int concerns(const trial *t, ffcl_matrix_unit unit)
{
    return (!t->wgmma_only || unit == FFCL_UNIT_WGMMA) &&
           (!t->own_only || unit == FFCL_UNIT_NONE);
}

/* Does the group, for a model with heads of so many columns? */
static int group_concerns(size_t group, ffcl_matrix_unit unit, size_t head)
{
    int any = 0;
    for (size_t i = 0; i < TRIALS; i++)
        any |= trials[i].head == groups[group] && concerns(&trials[i], unit);
    return any && (!groups[group] || head == FFCL_ANY_HEAD || head == groups[group]);
}

/* Names the programs of a group's trials. */
static void name_programs(ffcl_ctx *ctx, ffcl_matrix_unit unit, size_t group)
{
    const probe nothing = {0};
    const ffcl_tensor floats = ffcl_tensor_of(FFCL_F32, 1, 1, SIZE);
    const ffcl_tensor halves = ffcl_tensor_of(FFCL_F16, 1, 1, SIZE);
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    ffcl_cast(ctx, &halves, &floats);
    ffcl_cast(ctx, &floats, &halves);
    let(ctx, unit, 1);
    for (size_t i = 0; i < TRIALS; i++)
        if (trials[i].head == groups[group] && concerns(&trials[i], unit))
            trials[i].run(ctx, &nothing);
    let(ctx, unit, 0);
    ctx->planning = 0;
}

/* Text of all that a group's result depends on: the check, and what the binaries of its programs
 * depend on.  *key is the caller's to free. */
static int group_key(ffcl_ctx *ctx, ffcl_matrix_unit unit, size_t group, char **key)
{
    ffcl_programs *outer = ctx->programs, *own = NULL;
    char *programs = NULL;
    *key = NULL;
    int rc = ffcl_programs_open(&own, ctx);
    if (rc)
        return rc;
    ctx->programs = own;
    name_programs(ctx, unit, group);
    rc = ffcl_ctx_check(ctx);
    if (rc == 0)
        rc = ffcl_programs_key(ctx, &programs);
    ctx->programs = outer;
    ffcl_programs_close(&own);
    if (rc == 0) {
        *key = ffcl_format("check %d of %s, heads %zu\n%s", CHECK_VERSION, ffcl_unit_name(unit),
                           groups[group], programs);
        rc = *key ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a check's key");
    }
    free(programs);
    return rc;
}

/* What is known of a unit: a key a group, NULL where it does not concern the model. */
typedef struct verdict {
    char *key[GROUPS];
    int asked[GROUPS];          /* its trials are to be made */
} verdict;

static void keep(const verdict *v, int passed)
{
    for (size_t g = 0; g < GROUPS; g++)
        if (v->asked[g])
            ffcl_selfcheck_keep(v->key[g], passed);
}

/* Makes a group's trials.  A lack of memory or a lost device says nothing about them and is not
 * kept. */
static int check_group(ffcl_ctx *ctx, ffcl_matrix_unit unit, const probe *p, const verdict *v,
                       size_t group)
{
    int passed = 1, rc = 0;
    for (size_t i = 0; rc == 0 && passed && i < TRIALS; i++) {
        double off = 1;
        if (!concerns(&trials[i], unit) || trials[i].head != groups[group])
            continue;
        rc = distance(ctx, p, &trials[i], &off);
        passed = rc == 0 && off < trials[i].most;      /* NaN fails too */
    }
    if (rc == 0 || rc == FFCL_EBUILD)
        ffcl_selfcheck_keep(v->key[group], passed);
    return passed;
}

/* Makes the trials that are asked for, and keeps their results.  That kernels do not build is a
 * result, of all of them. */
static int check(ffcl_ctx *ctx, ffcl_matrix_unit unit, const verdict *v)
{
    probe p = {0};
    for (size_t g = 0; g < GROUPS; g++)
        if (v->asked[g])
            name_programs(ctx, unit, g);
    int passed, rc = ffcl_ctx_check(ctx);
    if (rc == 0)
        rc = ffcl_programs_build(ctx);
    if (rc == FFCL_EBUILD)
        keep(v, 0);
    if (rc == 0)
        rc = open_probe(ctx, &p);
    passed = rc == 0;
    let(ctx, unit, 1);
    for (size_t g = 0; rc == 0 && g < GROUPS; g++)
        if (v->asked[g] && !check_group(ctx, unit, &p, v, g))
            passed = 0;
    close_probe(&p);
    ffcl_arena_reset(ctx->arena);
    let(ctx, unit, 0);
    return passed;
}

/* Runs the check under a mark that outlives the process: one that died in it counts as failed. */
static int check_marked(ffcl_ctx *ctx, ffcl_matrix_unit unit, const verdict *v)
{
    ffcl_binary_use use = {.fd = -1};
    int passed = 0;
    if (ffcl_binary_begin(&use, v->key[0]))
        keep(v, 0);
    else
        passed = check(ctx, unit, v);
    ffcl_binary_end(&use);
    return passed;
}

/* The check has a list of programs of its own: where the result is known, none of them is
 * loaded. */
static int find_out(ffcl_ctx *ctx, ffcl_matrix_unit unit, size_t head, int again)
{
    ffcl_programs *programs = ctx->programs, *own = NULL;
    verdict v = {{NULL}, {0}};
    int passed = 1, is_new = 0, rc = ffcl_programs_open(&own, ctx);
    for (size_t g = 0; rc == 0 && passed && g < GROUPS; g++) {
        if (!group_concerns(g, unit, head))
            continue;
        rc = group_key(ctx, unit, g, &v.key[g]);
        const int known = rc || ctx->recheck ? -1 : ffcl_selfcheck_recall(v.key[g]);
        passed = known != 0;
        is_new |= known < 0;
        v.asked[g] = known < 0 || again;
    }
    ctx->programs = own;
    if (rc)
        passed = 0;
    else if (passed && is_new)
        passed = check(ctx, unit, &v);
    else if (passed && again)
        passed = check_marked(ctx, unit, &v);
    ctx->programs = programs;
    if (own)
        ffcl_programs_hand_over(ctx, &own);
    for (size_t g = 0; g < GROUPS; g++)
        free(v.key[g]);
    return passed;
}

/* Does the unit work, for models with such heads?  A failure only means that it is not used.
 * again: it is checked even if it is known to have passed. */
static int works(ffcl_ctx *ctx, ffcl_matrix_unit unit, size_t head, int again)
{
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    ctx->err = &slot;
    const int passed = find_out(ctx, unit, head, again);
    ctx->err = outer;
    return passed;
}

int ffcl_selfcheck_blocked_half(ffcl_ctx *ctx)
{
    const int passed = !ffcl_is_cpu(ctx) && ffcl_gemm_mixes(ctx) &&
                       works(ctx, FFCL_UNIT_NONE, FFCL_ANY_HEAD, 0);
    (void)ffcl_gemm_let_own_half(ctx, passed);
    return passed;
}

int ffcl_unit_check_again(ffcl_ctx *ctx, ffcl_matrix_unit unit)
{
    return works(ctx, unit, FFCL_ANY_HEAD, 1);
}

int ffcl_unit_listed(const ffcl_ctx *ctx, ffcl_matrix_unit unit)
{
    const ffcl_caps *caps = &ctx->device.caps;
    switch (unit) {
    case FFCL_UNIT_MMA:
        return caps->nv_compute >= MMA_CAPABILITY;
    case FFCL_UNIT_WGMMA:
        return caps->nv_compute == WGMMA_CAPABILITY;
    case FFCL_UNIT_WMMA:
        return ctx->emulate || caps->amd_wavefront == 32;
    case FFCL_UNIT_MFMA:
        return ctx->emulate || caps->amd_wavefront == 64;
    case FFCL_UNIT_DPAS8:
        return ctx->emulate || caps->intel_lanes == 8;
    case FFCL_UNIT_DPAS16:
        return ctx->emulate || caps->intel_lanes == 16;
    default:
        return 0;
    }
}

/* NVIDIA's newest unit up to `most` that the device has and that works. */
static ffcl_matrix_unit highest(ffcl_ctx *ctx, ffcl_matrix_unit most, size_t head)
{
    const int has_wgmma = most == FFCL_UNIT_WGMMA && ffcl_unit_listed(ctx, FFCL_UNIT_WGMMA);
    if (!ffcl_unit_listed(ctx, FFCL_UNIT_MMA))
        return FFCL_UNIT_NONE;
    if (has_wgmma && works(ctx, FFCL_UNIT_WGMMA, head, 0))
        return FFCL_UNIT_WGMMA;
    if (works(ctx, FFCL_UNIT_MMA, head, 0)) {
        if (has_wgmma)
            ffcl_report(ctx->obs, FFCL_PHASE_WARN, "the kernels for wgmma do not build or compute "
                        "wrong here; mma is used, which is slower (ffcl selfcheck tries again)",
                        0, 0);
        return FFCL_UNIT_MMA;
    }
    ffcl_report(ctx->obs, FFCL_PHASE_WARN,
                "the kernels for tensor cores do not build or compute wrong here; not used", 0, 0);
    return FFCL_UNIT_NONE;
}

/* The unit called name if the device has it and it works, else none.  auto never gets here: it
 * takes AMD's and Intel's units only after a trial (host/selfcheck/choice.c). */
static ffcl_matrix_unit named(ffcl_ctx *ctx, const char *name, size_t head)
{
    for (int i = FFCL_UNIT_NONE + 1; i <= FFCL_UNIT_DPAS16; i++) {
        const ffcl_matrix_unit unit = (ffcl_matrix_unit)i;
        if (strcmp(name, ffcl_unit_name(unit)) != 0)
            continue;
        if (unit == FFCL_UNIT_MMA || unit == FFCL_UNIT_WGMMA)
            return highest(ctx, unit, head) == unit ? unit : FFCL_UNIT_NONE;
        if (ffcl_unit_listed(ctx, unit) && works(ctx, unit, head, 0))
            return unit;
    }
    return FFCL_UNIT_NONE;
}

int ffcl_selfcheck_units(ffcl_ctx *ctx, const char *name, size_t head)
{
    int is_unit = 0;
    ctx->checked_head = head;
    for (int i = FFCL_UNIT_NONE + 1; i <= FFCL_UNIT_DPAS16; i++)
        is_unit |= strcmp(name, ffcl_unit_name((ffcl_matrix_unit)i)) == 0;
    ctx->matrix_unit = FFCL_UNIT_NONE;
    if (strcmp(name, "auto") == 0)
        ctx->matrix_unit = highest(ctx, FFCL_UNIT_WGMMA, head);
    else if (is_unit)
        ctx->matrix_unit = named(ctx, name, head);
    if (is_unit && ctx->matrix_unit == FFCL_UNIT_NONE)
        return ffcl_fail(ctx->err, FFCL_EDEVICE,
                         "[blas] backend = %s: %s has no such matrix unit, or it failed its check",
                         name, ctx->device.caps.name);
    return 0;
}
