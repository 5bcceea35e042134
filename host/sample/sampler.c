/* SPDX-License-Identifier: MIT
 * The public sampler: pictures by index, from the configuration's seed, classes and guidance. */
#include <stdlib.h>

#include "cl/context.h"
#include "config.h"
#include "sample/engine.h"
#include "sample/noise.h"
#include "sample/outputs.h"
#include "util.h"

/* Resident threads of the card whose torch-cuda noise is drawn: an H100 SXM or H200.  At 8
 * pictures of 256 x 256 every card from a T4 up gives the same. */
enum { CUDA_THREADS = 270336 };

struct ffcl_sampler {
    ffcl_config *cfg;
    ffcl_observer observer;
    ffcl_engine *engine;
    ffcl_noise *noise;
    size_t count, C, R, S;
};

static size_t picture_count(const ffcl_config *cfg)
{
    return cfg->sampler.count ? cfg->sampler.count : cfg->sampler.n_classes;
}

static int64_t class_of(const ffcl_sampler *s, size_t i)
{
    return s->cfg->sampler.classes[i % s->cfg->sampler.n_classes];
}

int ffcl_sampler_open(ffcl_sampler **out, const ffcl_config *cfg, const ffcl_observer *obs,
                      ffcl_error *err)
{
    *out = NULL;
    ffcl_sampler *s = calloc(1, sizeof *s);
    if (!s)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the sampler");
    if (obs)
        s->observer = *obs;
    int rc = ffcl_config_copy(&s->cfg, cfg, err);
    if (rc)
        goto out;
    s->count = picture_count(s->cfg);
    ffcl_engine_wants wants = {.sit = 1, .vae = 1, .batch = s->cfg->sampler.batch,
                               .count = s->count};
    wants.batch = ffcl_min(wants.batch, s->count);
    rc = ffcl_engine_open(&s->engine, s->cfg, &wants, &s->observer, err);
    if (rc)
        goto out;
    const ffcl_sit_dims *d = ffcl_engine_sit(s->engine);
    s->C = d->C;
    s->R = d->R;
    s->S = d->R * ffcl_engine_vae(s->engine)->upscale;
    rc = ffcl_noise_open(&s->noise, s->cfg->sampler.rng, s->cfg->sampler.seed, CUDA_THREADS,
                         s->count, s->C * s->R * s->R, err);
out:
    if (rc)
        ffcl_sampler_close(&s);
    *out = s;
    return rc;
}

void ffcl_sampler_close(ffcl_sampler **s)
{
    if (!*s)
        return;
    ffcl_noise_close(&(*s)->noise);
    ffcl_engine_close(&(*s)->engine);
    ffcl_config_close(&(*s)->cfg);
    free(*s);
    *s = NULL;
}

void ffcl_sampler_shape(const ffcl_sampler *s, ffcl_shape_info *info)
{
    *info = (ffcl_shape_info){.count = s->count, .height = s->S, .width = s->S,
                              .batch = ffcl_engine_batch(s->engine), .channels = s->C,
                              .latent = s->R};
}

/* What an embedder is fed with while sampling in one step of length 1 from noise. */
static float scalar_value(const ffcl_config *cfg, const ffcl_condition *c)
{
    switch (c->kind) {
    case FFCL_INPUT_R:
        return 0.0f;
    case FFCL_INPUT_GUIDANCE:
        return (float)cfg->sampler.guidance;
    case FFCL_INPUT_NUMBER:
        return (float)c->number;
    default:
        return 1.0f;
    }
}

/* One batch: noise, labels and scalars made on the host, then the device's work. */
static int draw_batch(ffcl_sampler *s, size_t first, size_t n, uint8_t *rgb, ffcl_error *err)
{
    const size_t each = s->C * s->R * s->R, embedders = ffcl_engine_sit(s->engine)->embedders;
    float *z = malloc(n * each * sizeof *z);
    int32_t *y = malloc(n * sizeof *y);
    float *scalars = malloc((embedders * n + 1) * sizeof *scalars);
    int rc = 0;
    if (!z || !y || !scalars)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for a batch of %zu", n);
    if (rc == 0)
        rc = ffcl_noise_draw(s->noise, first, n, z, err);
    if (rc)
        goto out;
    for (size_t i = 0; i < n; i++)
        y[i] = (int32_t)class_of(s, first + i);
    for (size_t k = 0; k < embedders; k++)
        for (size_t i = 0; i < n; i++)
            scalars[k * n + i] = scalar_value(s->cfg, ffcl_engine_condition(s->engine, k));
    ffcl_step step = {.B = n, .z = z, .y = y, .scalars = scalars, .bytes = rgb};
    rc = ffcl_engine_run(s->engine, &step, err);
    if (rc == 0 && step.bad < n)
        rc = ffcl_fail(err, FFCL_ENUMERIC,
                       "picture %zu (class %d) has a value that is not finite in its %s",
                       first + step.bad, (int)y[step.bad], step.bad_stage);
out:
    free(z);
    free(y);
    free(scalars);
    return rc;
}

int ffcl_sampler_draw(ffcl_sampler *s, size_t first, size_t n, uint8_t *rgb, ffcl_error *err)
{
    const size_t batch = ffcl_engine_batch(s->engine), picture = s->S * s->S * 3;
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < n; at += batch)
        rc = draw_batch(s, first + at, ffcl_min(batch, n - at), rgb + at * picture, err);
    return rc;
}

int ffcl_sampler_run(ffcl_sampler *s, ffcl_error *err)
{
    const size_t batch = ffcl_engine_batch(s->engine), picture = s->S * s->S * 3;
    ffcl_outputs *outputs = NULL;
    uint8_t *rgb = malloc(batch * picture);
    int rc = rgb ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a batch of pictures");
    if (rc == 0)
        rc = ffcl_outputs_open(&outputs, s->cfg, s->count, s->S, s->S, err);
    ffcl_report(&s->observer, FFCL_PHASE_SAMPLE, NULL, 0, s->count);
    for (size_t at = 0; rc == 0 && at < s->count; at += batch) {
        size_t n = ffcl_min(batch, s->count - at);
        rc = draw_batch(s, at, n, rgb, err);
        if (rc == 0)
            rc = ffcl_outputs_put(outputs, at, n, rgb, err);
        if (rc == 0)
            ffcl_report(&s->observer, FFCL_PHASE_SAMPLE, NULL, at + n, s->count);
    }
    if (rc == 0)
        rc = ffcl_outputs_commit(outputs, err);
    ffcl_outputs_close(&outputs);
    free(rgb);
    return rc;
}
