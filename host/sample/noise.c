/* SPDX-License-Identifier: MIT */
#include "sample/noise.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* A generator that knows how many words it has given, and where it was once, to go back to. */
typedef struct stream {
    ffcl_generator g, saved;
    uint64_t at, saved_at;
} stream;

struct ffcl_noise {
    ffcl_noise_spec spec;
    /* torch-cpu: noise, labels and later noise lie apart in one stream, a reader of it each. */
    stream normals, labels, later;
    int in_blocks;              /* an image is whole blocks of 16 normals, so any can come alone */
    /* Where it is not, the calls of randn are repeated whole, one at a time. */
    size_t call, n_call;        /* the call that z and y hold, or the next; images of one call */
    int holds;                  /* z and y are filled */
    float *z;                   /* (n_call, each), then (later, rows * n_call, each) */
    int64_t *y;                 /* (n_call) */
};

static void rewind_to_start(ffcl_noise *noise, stream *s)
{
    ffcl_generator_seed(&s->g, noise->spec.rng, noise->spec.seed, noise->spec.threads);
    s->saved = s->g;
    s->at = s->saved_at = 0;
}

/* Do images come by calls of draw_batch? */
static int is_by_calls(const ffcl_noise_spec *s)
{
    return s->kind == FFCL_CLASSES_RANDOM || s->later;
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
    rewind_to_start(noise, &noise->later);
    if (spec->rng == FFCL_RNG_TORCH_CPU && !noise->in_blocks) {
        size_t floats = 0, bytes = 0;
        noise->n_call = is_by_calls(spec) ? spec->draw_batch : spec->count;
        if (!ffcl_mul(&floats, noise->n_call, spec->each) &&
            !ffcl_mul(&floats, floats, 1 + spec->later * spec->rows) &&
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

static int is_per_image(const ffcl_noise_spec *s)
{
    return s->rng == FFCL_RNG_PER_IMAGE || s->rng == FFCL_RNG_PER_IMAGE_42;
}

static void seek(ffcl_noise *noise, stream *s, uint64_t word)
{
    if (word < s->at && word >= s->saved_at) {
        s->g = s->saved;
        s->at = s->saved_at;
    } else if (word < s->at) {
        rewind_to_start(noise, s);
    }
    ffcl_generator_skip(&s->g, word - s->at);
    s->at = word;
}

/* Has s come back to this word without beginning anew. */
static void save(ffcl_noise *noise, stream *s, uint64_t word)
{
    if (s->saved_at == word)
        return;
    seek(noise, s, word);
    s->saved = s->g;
    s->saved_at = word;
}

/* torch-cpu: words of a call of draw_batch images, with its labels and later noise. */
static uint64_t words_of_call(const ffcl_noise_spec *s)
{
    const uint64_t normals = s->draw_batch * (uint64_t)s->each;
    return normals * (1 + s->later * s->rows) +
           (s->kind == FFCL_CLASSES_RANDOM ? s->draw_batch : 0);
}

/* torch-cpu, one image by itself. */
static void get_from_stream(ffcl_noise *noise, size_t i, float *z, int64_t *y)
{
    const ffcl_noise_spec *s = &noise->spec;
    const uint64_t call = i / s->draw_batch, at = i % s->draw_batch;
    const uint64_t begin = is_by_calls(s) ? call * words_of_call(s) : 0;
    if (z) {
        seek(noise, &noise->normals, begin + (is_by_calls(s) ? at : (uint64_t)i) * s->each);
        ffcl_generator_randn(&noise->normals.g, z, s->each);
        noise->normals.at += s->each;
    }
    if (s->kind == FFCL_CLASSES_RANDOM) {
        seek(noise, &noise->labels, begin + s->draw_batch * s->each + at);
        ffcl_generator_randint(&noise->labels.g, 0, (int64_t)s->classes, y, 1);
        noise->labels.at++;
    }
}

/* The same, its later noise k. */
static void get_later_from_stream(ffcl_noise *noise, size_t i, size_t k, float *to)
{
    const ffcl_noise_spec *s = &noise->spec;
    const uint64_t call = i / s->draw_batch, at = i % s->draw_batch;
    const uint64_t begin = call * words_of_call(s);
    const uint64_t labels = s->kind == FFCL_CLASSES_RANDOM ? s->draw_batch : 0;
    save(noise, &noise->later, begin);
    seek(noise, &noise->later, begin + labels + (1 + k * s->rows) * s->draw_batch * s->each +
                                   at * s->each);
    ffcl_generator_randn(&noise->later.g, to, s->each);
    noise->later.at += s->each;
}

/* torch-cpu: the whole call that image i is in. */
static void hold_call(ffcl_noise *noise, size_t i)
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
        for (size_t k = 0; k < s->later; k++)
            ffcl_generator_randn(&noise->normals.g,
                                 noise->z + (1 + k * s->rows) * noise->n_call * s->each,
                                 s->rows * noise->n_call * s->each);
    }
}

static void get_from_call(ffcl_noise *noise, size_t i, float *z, int64_t *y)
{
    const ffcl_noise_spec *s = &noise->spec;
    hold_call(noise, i);
    if (z)
        memcpy(z, noise->z + i % noise->n_call * s->each, s->each * sizeof *z);
    *y = noise->y[i % noise->n_call];
}

static void get_later_from_call(ffcl_noise *noise, size_t i, size_t k, float *to)
{
    const size_t each = noise->spec.each, n = noise->n_call;
    hold_call(noise, i);
    memcpy(to, noise->z + ((1 + k * noise->spec.rows) * n + i % n) * each, each * sizeof *to);
}

/* CUDA: where a call of images and what belongs to it begins, by parts: 0 the noise, 1 the labels,
 * 2 + k later noise k, 2 + later the next call. */
static uint64_t cuda_offset(const ffcl_noise *noise, uint64_t call, size_t part)
{
    const ffcl_noise_spec *s = &noise->spec;
    const ffcl_generator *g = &noise->normals.g;
    const size_t normals = s->draw_batch * s->each;
    uint64_t ends[3];           /* lengths of noise, labels, a later noise */
    ends[0] = ffcl_generator_after(g, 0, normals);
    ends[1] = s->kind == FFCL_CLASSES_RANDOM ? ffcl_generator_after(g, 0, s->draw_batch) : 0;
    ends[2] = s->later ? ffcl_generator_after(g, 0, s->rows * normals) : 0;
    uint64_t at = call * (ends[0] + ends[1] + s->later * ends[2]);
    if (part > 0)
        at += ends[0];
    if (part > 1)
        at += ends[1] + (part - 2) * ends[2];
    return at;
}

/* Image i of sample_ddp.py: the j-th of iteration k of its rank. */
static void get_cuda(ffcl_noise *noise, size_t i, float *z, int64_t *y)
{
    const ffcl_noise_spec *s = &noise->spec;
    const size_t rank = i % s->world, nth = i / s->world, j = nth % s->draw_batch;
    const uint64_t k = nth / s->draw_batch;
    const size_t normals = s->draw_batch * s->each;
    ffcl_generator *g = &noise->normals.g;
    g->seed = s->seed * s->world + rank;
    if (z)
        ffcl_generator_randn_at(g, cuda_offset(noise, k, 0), normals, j * s->each, s->each, z);
    if (s->kind == FFCL_CLASSES_RANDOM)
        *y = ffcl_generator_randint_at(g, cuda_offset(noise, k, 1), s->draw_batch, j, 0,
                                       (int64_t)s->classes);
}

static void get_later_cuda(ffcl_noise *noise, size_t i, size_t k, float *to)
{
    const ffcl_noise_spec *s = &noise->spec;
    const size_t rank = i % s->world, nth = i / s->world, j = nth % s->draw_batch;
    ffcl_generator *g = &noise->normals.g;
    g->seed = s->seed * s->world + rank;
    ffcl_generator_randn_at(g, cuda_offset(noise, nth / s->draw_batch, 2 + k),
                            s->rows * s->draw_batch * s->each, j * s->each, s->each, to);
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

/* per-image: a generator of its own; later noise k at later + k * stride. */
static void get_per_image(ffcl_noise *noise, size_t i, float *z, int64_t *y, float *later,
                          size_t stride)
{
    const ffcl_noise_spec *s = &noise->spec;
    ffcl_generator *g = &noise->normals.g;
    const uint64_t seed = s->seed + i;
    ffcl_generator_seed(g, s->rng, s->rng == FFCL_RNG_PER_IMAGE_42 ? seed ^ 42 : seed, s->threads);
    if (z)
        ffcl_generator_randn(g, z, s->each);
    else if (noise->in_blocks)
        ffcl_generator_skip(g, s->each);
    else
        skip_some(g, s->each);
    if (s->kind == FFCL_CLASSES_RANDOM)
        ffcl_generator_randint(g, 0, (int64_t)s->classes, y, 1);
    for (size_t k = 0; later && k < s->later; k++)
        ffcl_generator_randn(g, later + k * stride, s->each);
}

void ffcl_noise_get(ffcl_noise *noise, const size_t *index, size_t n, float *z, int32_t *y,
                    float *later)
{
    const ffcl_noise_spec *s = &noise->spec;
    for (size_t k = 0; k < n; k++) {
        const size_t i = index[k];
        int64_t label = 0;
        float *zk = z ? z + k * s->each : NULL;
        if (!z && s->kind != FFCL_CLASSES_RANDOM)
            ;                       /* no label comes from a generator */
        else if (is_per_image(s))
            get_per_image(noise, i, zk, &label, later ? later + k * s->each : NULL, n * s->each);
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
        for (size_t e = 0; z && s->scale != 0 && s->scale != 1 && e < s->each; e++)
            z[k * s->each + e] *= (float)s->scale;
    }    /* By noise, then by image, as they lie in a stream. */
    for (size_t l = 0; later && !is_per_image(s) && l < s->later; l++)
        for (size_t k = 0; k < n; k++) {
            float *to = later + (l * n + k) * s->each;
            if (s->rng == FFCL_RNG_TORCH_CUDA)
                get_later_cuda(noise, index[k], l, to);
            else if (noise->in_blocks)
                get_later_from_stream(noise, index[k], l, to);
            else
                get_later_from_call(noise, index[k], l, to);
        }
}
