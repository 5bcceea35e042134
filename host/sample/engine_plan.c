/* SPDX-License-Identifier: MIT
 * How the engine computes, how many images at a time, and what memory that takes. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "cl/choices.h"
#include "cl/program.h"
#include "model/weight_reader.h"
#include "ops/ops.h"
#include "os/address_space.h"
#include "sample/engine_impl.h"
#include "selfcheck/numbers.h"
#include "util.h"

/* Bytes of a convolution's band where memory is scarce. */
enum { MOST_SCRATCH = 128 << 20, LEAST_SCRATCH = 16 << 20 };

int ffcl_engine_plan(ffcl_engine *e, size_t B, const ffcl_tap *tap)
{
    const ffcl_step step = {.tap = tap};
    /* Sizes without buffers: what runs here is planned alone. */
    ffcl_engine_shape(e);
    ffcl_arena_plan(e->ctx->arena);
    e->ctx->planning = 1;
    int rc = ffcl_engine_run_batch(e, &e->lanes[0], B, &step, 0);
    e->ctx->planning = 0;
    e->planned = 0;
    return rc;
}

static size_t fixed_bytes(const ffcl_engine *e, size_t B, size_t b)
{
    const size_t latent = ffcl_latent_floats(e);
    const size_t later = e->schedule.n_noise ? latent : 0;
    return B * (FFCL_LANES * (latent + e->inputs + 2) + latent + later + 2) * sizeof(float) +
           FFCL_LANES * ffcl_round_up(B, b) * ffcl_image_values(e);
}

size_t ffcl_engine_weight_bytes(const ffcl_engine *e)
{
    return (e->sit ? ffcl_sit_bytes(e->sit) : 0) + (e->vae ? ffcl_vae_bytes(e->vae) : 0);
}

/* The most images whose largest activation stays within `bytes`, so that one VAE pass neither
 * takes all memory nor loses to launch overhead; kernels index elements with 32 bits. */
static size_t decode_limit(const ffcl_engine *e, size_t bytes)
{
    if (!e->vae)
        return e->is_pixels ? (size_t)-1 : 1;
    size_t per_image = ffcl_vae_largest_activation(e->vae, e->R);
    size_t most = ffcl_min(bytes / ffcl_dtype_bytes(e->dtype), (size_t)1 << 30);
    return ffcl_max(most / per_image, 1);
}

/* Of an image in the SiT's widest activation, or its own values where tokens have more. */
static size_t sit_values(const ffcl_engine *e)
{
    const ffcl_sit_dims *d = ffcl_sit_dims_of(e->sit);
    const size_t rows = e->is_guided ? 2 : 1, wide = ffcl_max(3 * d->D, 2 * d->mlp);
    return rows * d->N * ffcl_max(wide, d->C * d->p * d->p);
}

/* SiT's widest activation in 32-bit element counts. */
static size_t sit_limit(const ffcl_engine *e)
{
    return e->sit ? ffcl_max(((size_t)1 << 30) / sit_values(e), 1) : (size_t)-1;
}

/* What kernels cannot count in one image they would leave out, or write elsewhere. */
static int check_indices(const ffcl_engine *e)
{
    const size_t sit = e->sit ? sit_values(e) : 0;
    const size_t most = ffcl_max(sit, e->vae ? ffcl_vae_largest_activation(e->vae, e->R) : 0);
    return most <= INT32_MAX ? 0
           : ffcl_fail(e->ctx->err, FFCL_EDEVMEM, "one image has %zu values in a layer, and "
                       "kernels count %d: a model for smaller images is needed", most, INT32_MAX);
}

typedef struct need {
    size_t weights, activations, largest;
    size_t mapped;              /* of the weights: used where they lie in the files */
    size_t loading;             /* what weights pass through on their way */
    double flops;               /* of the launch that has most to do */
} need;

static int measure(ffcl_engine *e, size_t B, size_t b, need *n)
{
    e->batch = B;
    e->decode_batch = b;
    e->ctx->most_flops = 0;
    ffcl_arena_reset(e->ctx->arena);
    int rc = ffcl_engine_plan(e, B, NULL);
    ffcl_arena_size(e->ctx->arena, &n->activations, &n->largest);
    n->activations += fixed_bytes(e, B, b);
    n->weights = ffcl_engine_weight_bytes(e) +
                 (e->extractor ? ffcl_extractor_bytes(e->extractor) : 0);
    n->mapped = (e->sit ? ffcl_sit_mapped_bytes(e->sit, e->ctx) : 0) +
                (e->vae ? ffcl_vae_mapped_bytes(e->vae, e->ctx) : 0);
    n->flops = e->ctx->most_flops;
    n->loading = 0;
    if (e->dtype == FFCL_F16 || !ffcl_gemm_takes_columns(e->ctx))
        n->loading = FFCL_PIECE_FLOATS * sizeof(float);
    n->largest = ffcl_max(n->largest, n->loading);
    if (e->sit)
        n->largest = ffcl_max(n->largest, ffcl_sit_largest_bytes(e->sit));
    if (e->vae)
        n->largest = ffcl_max(n->largest, ffcl_vae_largest_bytes(e->vae));
    return rc;
}

/* The driver keeps some for itself. */
static double room(const ffcl_caps *caps)
{
    return 0.92 * (double)caps->global_bytes;
}

static int fits(const ffcl_engine *e, const need *n)
{
    const ffcl_caps *caps = &e->ctx->device.caps;
    return n->largest <= caps->max_alloc_bytes &&
           (double)(n->weights + n->activations + n->loading) <= room(caps);
}

double ffcl_engine_most_flops(const ffcl_engine *e)
{
    const ffcl_caps *caps = &e->ctx->device.caps;
    /* GPUs do at least 16 operations a unit and clock; those with tensor cores much more. */
    const double rate = fmax(0.4e12, 16e6 * (double)caps->units * (double)caps->clock);
    if (ffcl_is_cpu(e->ctx))
        return INFINITY;
    return 0.5 * rate * (ffcl_has_tensor_cores(e->ctx) ? 64.0 : 1.0);
}

/* ---- the way of computing that fits ---------------------------------------------------------- */

/* With one image and the least scratch memory. */
static int measure_least(ffcl_engine *e, need *n)
{
    ffcl_caps *caps = &e->ctx->device.caps;
    caps->scratch_bytes = LEAST_SCRATCH;
    int rc = measure(e, 1, 1, n);
    caps->scratch_bytes = 0;
    return rc;
}

static int prepare(ffcl_engine *e, ffcl_dtype dtype, int no_winograd)
{
    e->dtype = dtype;
    e->ctx->no_winograd = no_winograd;
    int rc = e->sit ? ffcl_sit_prepare(e->sit, e->ctx, dtype) : 0;
    return rc || !e->vae ? rc : ffcl_vae_prepare(e->vae, e->ctx, dtype);
}

/* A way of computing: the type of weights and activations, and whether convolutions do without
 * Winograd's method, whose weights are larger. */
typedef struct way {
    ffcl_dtype dtype;
    int no_winograd;
} way;

/* Notes what was given up for want of memory. */
static void report_way(const ffcl_engine *e, ffcl_dtype wanted, const need *first)
{
    char text[400];
    const ffcl_caps *caps = &e->ctx->device.caps;
    const int is_slow = e->ctx->matrix_unit == FFCL_UNIT_NONE &&
                        (e->ctx->no_winograd || !ffcl_gemm_takes_batches(e->ctx, FFCL_F16));
    snprintf(text, sizeof text, "one image as it is fastest in %s takes %.2f GB, and %s has "
             "%.2f: %s", wanted == FFCL_F32 ? "float32" : "half",
             (double)(first->weights + first->activations) / 1e9, caps->name,
             (double)caps->global_bytes / 1e9,
             e->dtype == wanted ? "convolutions do without Winograd's method"
             : is_slow          ? "half is used, which is slow here"
                                : "half is used");
    ffcl_report(e->ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
}

int ffcl_engine_choose_way(ffcl_engine *e)
{
    ffcl_ctx *ctx = e->ctx;
    const ffcl_dtype wanted = e->dtype;
    const int is_auto = e->cfg->precision.compute == FFCL_PRECISION_AUTO;
    /* The ways, the wanted first, the smallest last. */
    static const way floats[] = {{FFCL_F32, 0}, {FFCL_F32, 1}, {FFCL_F16, 0}, {FFCL_F16, 1}};
    const way *ways = wanted == FFCL_F32 ? floats : floats + 2;
    const int n_ways = wanted == FFCL_F32 ? 4 : 2;
    ffcl_programs *programs = ctx->programs, *own = NULL;
    need first = {0}, n = {0};
    int rc = e->sit ? ffcl_programs_open(&own, ctx) : 0;
    if (rc || !e->sit)
        return rc ? rc : prepare(e, wanted, 0);
    ctx->programs = own;
    int found = -1;
    for (int i = 0; rc == 0 && found < 0 && i < n_ways; i++) {
        rc = prepare(e, ways[i].dtype, ways[i].no_winograd);
        if (rc == 0)
            rc = measure_least(e, &n);
        if (i == 0)
            first = n;
        if (rc == 0 && fits(e, &n))
            found = i;
    }
    ffcl_arena_reset(ctx->arena);
    ctx->programs = programs;
    ffcl_programs_close(&own);
    if (rc)
        return rc;
    e->half_fits = wanted == FFCL_F32 && found >= 2;
    if (found < 0 || (e->half_fits && !is_auto))
        return prepare(e, wanted, 1);
    if (e->half_fits && ffcl_is_cpu(ctx))
        ffcl_selfcheck_numbers(ctx);        /* on others it is made */
    if (found > 0)
        report_way(e, wanted, &first);
    return prepare(e, ways[found].dtype, ways[found].no_winograd);
}

void ffcl_engine_report(const ffcl_engine *e)
{
    const ffcl_ctx *ctx = e->ctx;
    const ffcl_caps *caps = &ctx->device.caps;
    char text[512], forced[400], note[440];
    const char *matrix = ffcl_unit_name(ctx->matrix_unit);
    const char *own = ffcl_gemm_own(ctx);
    snprintf(text, sizeof text, "device %zu: %s (%s, %s, driver %s), %s, %s%s%s%s",
             ctx->device.index, caps->name, ffcl_device_kind(caps), caps->platform, caps->driver,
             e->dtype == FFCL_F16 ? "half" : "float32", own, ffcl_blas_name(ctx),
             *matrix ? " and " : "", matrix);
    ffcl_report(ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
    ffcl_variants_forced(ctx, forced, sizeof forced);
    snprintf(note, sizeof note, "FFCL_VARIANTS forces %s", forced);
    if (*forced)
        ffcl_report(ctx->obs, FFCL_PHASE_NOTE, note, 0, 0);
    /* In half mode what CLBlast computes is too little to be worth a word. */
    if (ffcl_blas_is_untuned(ctx) && e->dtype == FFCL_F32)
        ffcl_report(ctx->obs, FFCL_PHASE_NOTE, "CLBlast is not tuned for this device; ffcl tune "
                    "finds faster parameters (docs/tuning.md)", 0, 0);
}

/* ---- the batch ------------------------------------------------------------------------------ */

/* One image does not fit: what is missing, and what would fit. */
static int too_little(const ffcl_engine *e, const need *n)
{
    const ffcl_caps *caps = &e->ctx->device.caps;
    const char *precision = e->dtype == FFCL_F16 ? "half" : "float32";
    char missing[240], hint[160];
    if (n->largest > caps->max_alloc_bytes)
        snprintf(missing, sizeof missing, "a buffer of %.3f GB, and there are %.3f GB in one piece",
                 (double)n->largest / 1e9, (double)caps->max_alloc_bytes / 1e9);
    else
        snprintf(missing, sizeof missing, "%.2f GB of weights and %.2f GB of activations, and of "
                 "%.2f GB %.2f can be used", (double)n->weights / 1e9,
                 (double)n->activations / 1e9, (double)caps->global_bytes / 1e9, room(caps) / 1e9);
    if (e->half_fits)
        snprintf(hint, sizeof hint, "precision.compute=half fits");
    else if (n->largest > caps->max_alloc_bytes)
        snprintf(hint, sizeof hint, "a model for smaller images may fit");
    else
        snprintf(hint, sizeof hint, "it takes a device of %.1f GB, or a smaller model",
                 (double)(n->weights + n->activations + n->loading) / 0.92e9 + 0.05);
    return ffcl_fail(e->ctx->err, FFCL_EDEVMEM, "%s has too little memory: one image in %s needs "
                     "%s; %s", caps->name, precision, missing, hint);
}

static ffcl_engine_plan_info info_of(const ffcl_engine *e, const need *n)
{
    return (ffcl_engine_plan_info){
        .batch = e->batch, .decode_batch = e->decode_batch, .dtype = e->dtype,
        .no_winograd = e->ctx->no_winograd, .weights = n->weights, .mapped = n->mapped,
        .activations = n->activations, .largest = n->largest, .flops = n->flops};
}

void ffcl_engine_info(ffcl_engine *e, ffcl_engine_plan_info *info)
{
    need n = {0};
    ffcl_ctx_keep(e->ctx, measure(e, e->batch, e->decode_batch, &n));
    *info = info_of(e, &n);
}

const ffcl_engine_plan_info *ffcl_engine_plan_of(const ffcl_engine *engine)
{
    return &engine->plan;
}

/* By one more planning pass, as choices of other batches, which were tried, are kept, too. */
int ffcl_engine_variants(ffcl_engine *e, char *text, size_t size, ffcl_error *err)
{
    size_t used = 0;
    *text = '\0';
    e->ctx->err = err;
    ffcl_choices_forget(e->ctx);
    const int rc = ffcl_engine_plan(e, e->batch, NULL);
    for (size_t op = 0; rc == 0 && op < FFCL_N_OPS; op++) {
        const ffcl_operation *o = ffcl_operations[op];
        size_t n = 0;
        for (size_t i = 0; i < o->n && used < size; i++) {
            const ffcl_variant *v = &o->variants[i];
            if (!ffcl_choices_count(e->ctx->choices, o->id, v))
                continue;
            used += (size_t)snprintf(text + used, size - used, "%s%s%s%s",
                                     n ? ", " : used ? "; " : "", n ? "" : o->name,
                                     n ? "" : ": ", v->name);
            n++;
        }
    }
    return rc;
}

static void report_plan(const ffcl_engine *e, const ffcl_engine_wants *wants, const need *n,
                        int is_long)
{
    const ffcl_caps *caps = &e->ctx->device.caps;
    char text[320];
    if (wants->batch && e->batch < wants->batch) {
        snprintf(text, sizeof text, is_long ? "batch %zu could keep %s from anything else for half "
                 "a second at a time; using %zu" : "batch %zu does not fit %s; using %zu",
                 wants->batch, caps->name, e->batch);
        ffcl_report(e->ctx->obs, FFCL_PHASE_WARN, text, 0, 0);
    }
    char mapped[64] = "";
    if (n->mapped)
        snprintf(mapped, sizeof mapped, " (%.2f GB where they lie in the file)",
                 (double)n->mapped / 1e9);
    snprintf(text, sizeof text,
             "plan: batch %zu (VAE %zu at a time), weights %.2f GB%s, activations %.2f GB, of "
             "%.1f GB%s", e->batch, e->decode_batch, (double)n->weights / 1e9, mapped,
             (double)n->activations / 1e9, (double)caps->global_bytes / 1e9,
             ffcl_is_integrated(caps) ? " that host and device share" : "");
    ffcl_report(e->ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
}

size_t ffcl_engine_most(const ffcl_engine *e, const ffcl_engine_wants *wants)
{
    return wants->batch ? wants->batch
                        : ffcl_min(ffcl_max(wants->count, 1), ffcl_is_cpu(e->ctx) ? 8 : 64);
}

/* By halving. */
int ffcl_engine_choose_batch(ffcl_engine *e, const ffcl_engine_wants *wants)
{
    ffcl_caps *caps = &e->ctx->device.caps;
    const int cpu = (caps->type & CL_DEVICE_TYPE_CPU) != 0;
    size_t B = ffcl_min(ffcl_engine_most(e, wants), sit_limit(e));
    size_t b = ffcl_min(B, decode_limit(e, cpu ? (size_t)64 << 20 : (size_t)1 << 30));
    const double most_flops = ffcl_engine_most_flops(e);
    need n = {0};
    int is_long = 0, rc = check_indices(e);
    if (rc == 0)
        rc = measure(e, B, b, &n);
    while (rc == 0 && (!fits(e, &n) || n.flops > most_flops) && B > 1) {
        is_long = fits(e, &n);
        if (b > 1)
            b /= 2;
        else
            B /= 2;
        rc = measure(e, B, b, &n);
    }
    /* The bands of convolutions get shorter where one image does not fit. */
    for (size_t scratch = MOST_SCRATCH; rc == 0 && !fits(e, &n) && scratch >= LEAST_SCRATCH;
         scratch /= 2) {
        caps->scratch_bytes = scratch;
        rc = measure(e, B, b, &n);
    }
    if (rc)
        return rc;
    if (!fits(e, &n))
        return too_little(e, &n);
    e->plan = info_of(e, &n);
    report_plan(e, wants, &n, is_long);
    return cpu ? ffcl_address_space_check(n.weights + n.activations, "weights and activations",
                                          e->ctx->err) : 0;
}
