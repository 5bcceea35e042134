/* SPDX-License-Identifier: MIT
 * How many images the engine computes at a time, and what memory that takes. */
#include <stdio.h>

#include "address_space.h"
#include "sample/engine_impl.h"
#include "util.h"

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

/* SiT's widest activation in 32-bit element counts. */
static size_t sit_limit(const ffcl_engine *e)
{
    if (!e->sit)
        return (size_t)-1;
    const ffcl_sit_dims *d = ffcl_sit_dims_of(e->sit);
    const size_t rows = e->is_guided ? 2 : 1;
    return ffcl_max(((size_t)1 << 30) / (rows * d->N * ffcl_max(3 * d->D, 2 * d->mlp)), 1);
}

typedef struct need {
    size_t weights, activations, largest;
} need;

static int measure(ffcl_engine *e, size_t B, size_t b, need *n)
{
    e->batch = B;
    e->decode_batch = b;
    ffcl_arena_reset(e->ctx->arena);
    int rc = ffcl_engine_plan(e, B, NULL);
    ffcl_arena_size(e->ctx->arena, &n->activations, &n->largest);
    n->activations += fixed_bytes(e, B, b);
    n->weights = ffcl_engine_weight_bytes(e);
    if (e->sit)
        n->largest = ffcl_max(n->largest, ffcl_sit_largest_bytes(e->sit));
    if (e->vae)
        n->largest = ffcl_max(n->largest, ffcl_vae_largest_bytes(e->vae));
    return rc;
}

static int fits(const ffcl_engine *e, const need *n)
{
    const ffcl_caps *caps = &e->ctx->device.caps;
    double room = 0.92 * (double)caps->global_bytes;    /* the driver keeps some for itself */
    return n->largest <= caps->max_alloc_bytes && (double)(n->weights + n->activations) <= room;
}

/* By halving. */
int ffcl_engine_choose_batch(ffcl_engine *e, const ffcl_engine_wants *wants)
{
    const ffcl_caps *caps = &e->ctx->device.caps;
    const int cpu = (caps->type & CL_DEVICE_TYPE_CPU) != 0;
    size_t most = wants->batch ? wants->batch : ffcl_min(ffcl_max(wants->count, 1), cpu ? 8 : 64);
    size_t B = ffcl_min(most, sit_limit(e));
    size_t b = ffcl_min(B, decode_limit(e, cpu ? (size_t)64 << 20 : (size_t)1 << 30));
    need n = {0};
    int rc = measure(e, B, b, &n);
    while (rc == 0 && !fits(e, &n) && B > 1) {
        if (b > 1)
            b /= 2;
        else
            B /= 2;
        rc = measure(e, B, b, &n);
    }
    if (rc)
        return rc;
    if (!fits(e, &n))
        return ffcl_fail(e->ctx->err, FFCL_EDEVMEM,
                         "%s has too little memory: batch 1 needs %.2f GB of weights and %.2f GB "
                         "of activations, the largest buffer %.2f GB, and there are %.2f GB, "
                         "%.2f GB in one piece", caps->name, (double)n.weights / 1e9,
                         (double)n.activations / 1e9, (double)n.largest / 1e9,
                         (double)caps->global_bytes / 1e9, (double)caps->max_alloc_bytes / 1e9);
    char text[320];
    if (wants->batch && B < wants->batch) {
        snprintf(text, sizeof text, "batch %zu does not fit %s; using %zu", wants->batch,
                 caps->name, B);
        ffcl_report(e->ctx->obs, FFCL_PHASE_WARN, text, 0, 0);
    }
    snprintf(text, sizeof text,
             "plan: batch %zu (VAE %zu at a time), weights %.2f GB, activations %.2f GB, of "
             "%.1f GB", B, b, (double)n.weights / 1e9, (double)n.activations / 1e9,
             (double)caps->global_bytes / 1e9);
    ffcl_report(e->ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
    return cpu ? ffcl_address_space_check(n.weights + n.activations, "weights and activations",
                                          e->ctx->err) : 0;
}
