/* SPDX-License-Identifier: MIT */
#include "sample/noise.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* A generator that knows how many words it has given. */
typedef struct stream {
    ffcl_generator g;
    uint64_t at;
} stream;

struct ffcl_noise {
    ffcl_noise_spec spec;
    /* torch-cpu: noise and labels lie apart in one stream, hence two readers of it. */
    stream normals, labels;
    int in_blocks;              /* an image is whole blocks of 16 normals, so any can come alone */
    /* Where it is not, the calls of randn are repeated whole, one at a time. */
    size_t call, n_call;        /* the call that z and y hold, or the next; images of one call */
    int holds;                  /* z and y are filled */
    float *z;                   /* (n_call, each) */
    int64_t *y;                 /* (n_call) */
};

static void rewind_to_start(ffcl_noise *noise, stream *s)
{
    ffcl_generator_seed(&s->g, noise->spec.rng, noise->spec.seed, noise->spec.threads);
    s->at = 0;
}

int ffcl_noise_open(ffcl_noise **out, const ffcl_noise_spec *spec, ffcl_error *err)
{
    *out = NULL;
    ffcl_noise *noise = calloc(1, sizeof *noise);
    if (!noise)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the noise");
    noise->spec = *spec;
    noise->in_blocks = spec->each % 16 == 0;
    rewind_to_start(noise, &noise->normals);
    rewind_to_start(noise, &noise->labels);
    if (spec->rng == FFCL_RNG_TORCH_CPU && !noise->in_blocks) {
        size_t floats = 0, bytes = 0;
        noise->n_call = spec->kind == FFCL_CLASSES_RANDOM ? spec->draw_batch : spec->count;
        if (!ffcl_mul(&floats, noise->n_call, spec->each) &&
            !ffcl_mul(&bytes, floats, sizeof(float)))
            noise->z = malloc(bytes);
        noise->y = calloc(noise->n_call, sizeof *noise->y);
        if (!noise->z || !noise->y) {
            ffcl_noise_close(&noise);
            return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the noise of %zu images",
                             spec->count);
        }
    }
    *out = noise;
    return 0;
}

void ffcl_noise_close(ffcl_noise **noise)
{
    if (!*noise)
        return;
    free((*noise)->z);
    free((*noise)->y);
    free(*noise);
    *noise = NULL;
}

static void seek(ffcl_noise *noise, stream *s, uint64_t word)
{
    if (word < s->at)
        rewind_to_start(noise, s);
    ffcl_generator_skip(&s->g, word - s->at);
    s->at = word;
}

/* torch-cpu, one image by itself. */
static void get_from_stream(ffcl_noise *noise, size_t i, float *z, int64_t *y)
{
    const ffcl_noise_spec *s = &noise->spec;
    const int random = s->kind == FFCL_CLASSES_RANDOM;
    const uint64_t call = i / s->draw_batch, at = i % s->draw_batch;
    const uint64_t begin = random ? call * s->draw_batch * (s->each + 1) : 0;
    if (z) {
        seek(noise, &noise->normals, begin + (random ? at : (uint64_t)i) * s->each);
        ffcl_generator_randn(&noise->normals.g, z, s->each);
        noise->normals.at += s->each;
    }
    if (random) {
        seek(noise, &noise->labels, begin + s->draw_batch * s->each + at);
        ffcl_generator_randint(&noise->labels.g, 0, (int64_t)s->classes, y, 1);
        noise->labels.at++;
    }
}

/* torch-cpu, by way of the whole call that image i is in. */
static void get_from_call(ffcl_noise *noise, size_t i, float *z, int64_t *y)
{
    const ffcl_noise_spec *s = &noise->spec;
    size_t call = i / noise->n_call;
    if (noise->holds && call < noise->call) {
        rewind_to_start(noise, &noise->normals);
        noise->holds = 0;
        noise->call = 0;
    }
    while (!noise->holds || noise->call < call) {
        noise->call += noise->holds != 0;
        noise->holds = 1;
        ffcl_generator_randn(&noise->normals.g, noise->z, noise->n_call * s->each);
        if (s->kind == FFCL_CLASSES_RANDOM)
            ffcl_generator_randint(&noise->normals.g, 0, (int64_t)s->classes, noise->y,
                                   noise->n_call);
    }
    if (z)
        memcpy(z, noise->z + i % noise->n_call * s->each, s->each * sizeof *z);
    *y = noise->y[i % noise->n_call];
}

/* Image i of sample_ddp.py: the j-th of iteration k of its rank. */
static void get_cuda(ffcl_noise *noise, size_t i, float *z, int64_t *y)
{
    const ffcl_noise_spec *s = &noise->spec;
    const size_t rank = i % s->world, nth = i / s->world, j = nth % s->draw_batch;
    const uint64_t k = nth / s->draw_batch;
    const size_t normals = s->draw_batch * s->each;
    const int random = s->kind == FFCL_CLASSES_RANDOM;
    ffcl_generator *g = &noise->normals.g;
    uint64_t an_iteration = ffcl_generator_after(g, 0, normals);
    if (random)
        an_iteration = ffcl_generator_after(g, an_iteration, s->draw_batch);
    const uint64_t offset = k * an_iteration;
    g->seed = s->seed * s->world + rank;
    if (z)
        ffcl_generator_randn_at(g, offset, normals, j * s->each, s->each, z);
    if (random)
        *y = ffcl_generator_randint_at(g, ffcl_generator_after(g, offset, normals), s->draw_batch,
                                       j, 0, (int64_t)s->classes);
}

/* Normals that nobody wants, where they do not come in whole blocks: made and dropped. */
static void skip_some(ffcl_generator *g, size_t each)
{
    if (each >= 16) {
        ffcl_generator_skip(g, each + 16);
        return;
    }
    float z[16];
    ffcl_generator_randn(g, z, each);
}

/* per-image: a generator of its own. */
static void get_per_image(ffcl_noise *noise, size_t i, float *z, int64_t *y)
{
    const ffcl_noise_spec *s = &noise->spec;
    ffcl_generator *g = &noise->normals.g;
    ffcl_generator_seed(g, s->rng, s->seed + i, s->threads);
    if (z)
        ffcl_generator_randn(g, z, s->each);
    else if (noise->in_blocks)
        ffcl_generator_skip(g, s->each);
    else
        skip_some(g, s->each);
    if (s->kind == FFCL_CLASSES_RANDOM)
        ffcl_generator_randint(g, 0, (int64_t)s->classes, y, 1);
}

void ffcl_noise_get(ffcl_noise *noise, const size_t *index, size_t n, float *z, int32_t *y)
{
    const ffcl_noise_spec *s = &noise->spec;
    for (size_t k = 0; k < n; k++) {
        const size_t i = index[k];
        int64_t label = 0;
        float *zk = z ? z + k * s->each : NULL;
        if (!z && s->kind != FFCL_CLASSES_RANDOM)
            ;                       /* no label comes from a generator */
        else if (s->rng == FFCL_RNG_PER_IMAGE)
            get_per_image(noise, i, zk, &label);
        else if (s->rng == FFCL_RNG_TORCH_CUDA)
            get_cuda(noise, i, zk, &label);
        else if (noise->in_blocks)
            get_from_stream(noise, i, zk, &label);
        else
            get_from_call(noise, i, zk, &label);
        if (s->kind == FFCL_CLASSES_LIST)
            label = s->list[i % s->n_list];
        else if (s->kind == FFCL_CLASSES_BALANCED)
            label = (int64_t)(i % s->classes);
        y[k] = (int32_t)label;
    }
}
