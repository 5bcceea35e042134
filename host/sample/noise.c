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

struct ffcl_draws {
    ffcl_draws_spec spec;
    /* torch-cpu: noise and labels lie apart in one stream, hence two readers of it. */
    stream noise, labels;
    int in_pieces;              /* a picture is whole blocks of 16 normals, so any comes alone */
    /* Where it is not, the calls of randn are repeated whole, one at a time. */
    size_t call, n_call;        /* the call that is held, or the one drawn next; pictures of one */
    int holds;
    float *z;                   /* (n_call, each) */
    int64_t *y;                 /* (n_call) */
};

static void rewind_to_start(ffcl_draws *d, stream *s)
{
    ffcl_generator_seed(&s->g, d->spec.rng, d->spec.seed, d->spec.threads);
    s->at = 0;
}

int ffcl_draws_open(ffcl_draws **out, const ffcl_draws_spec *spec, ffcl_error *err)
{
    *out = NULL;
    ffcl_draws *d = calloc(1, sizeof *d);
    if (!d)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the noise");
    d->spec = *spec;
    d->in_pieces = spec->each % 16 == 0;
    rewind_to_start(d, &d->noise);
    rewind_to_start(d, &d->labels);
    if (spec->rng == FFCL_RNG_TORCH_CPU && !d->in_pieces) {
        size_t floats = 0, bytes = 0;
        d->n_call = spec->kind == FFCL_CLASSES_RANDOM ? spec->draw : spec->count;
        if (!ffcl_mul(&floats, d->n_call, spec->each) && !ffcl_mul(&bytes, floats, sizeof(float)))
            d->z = malloc(bytes);
        d->y = calloc(d->n_call, sizeof *d->y);
        if (!d->z || !d->y) {
            ffcl_draws_close(&d);
            return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the noise of %zu pictures",
                             spec->count);
        }
    }
    *out = d;
    return 0;
}

void ffcl_draws_close(ffcl_draws **draws)
{
    if (!*draws)
        return;
    free((*draws)->z);
    free((*draws)->y);
    free(*draws);
    *draws = NULL;
}

static void seek(ffcl_draws *d, stream *s, uint64_t word)
{
    if (word < s->at)
        rewind_to_start(d, s);
    ffcl_generator_skip(&s->g, word - s->at);
    s->at = word;
}

/* torch-cpu, a picture alone. */
static void draw_piece(ffcl_draws *d, size_t i, float *z, int64_t *y)
{
    const ffcl_draws_spec *s = &d->spec;
    const int random = s->kind == FFCL_CLASSES_RANDOM;
    const uint64_t call = i / s->draw, at = i % s->draw;
    const uint64_t begin = random ? call * s->draw * (s->each + 1) : 0;
    seek(d, &d->noise, begin + (random ? at : (uint64_t)i) * s->each);
    ffcl_generator_randn(&d->noise.g, z, s->each);
    d->noise.at += s->each;
    if (random) {
        seek(d, &d->labels, begin + s->draw * s->each + at);
        ffcl_generator_randint(&d->labels.g, 0, (int64_t)s->classes, y, 1);
        d->labels.at++;
    }
}

/* torch-cpu, the whole call that picture i is in. */
static void draw_call(ffcl_draws *d, size_t i, float *z, int64_t *y)
{
    const ffcl_draws_spec *s = &d->spec;
    size_t call = i / d->n_call;
    if (d->holds && call < d->call) {
        rewind_to_start(d, &d->noise);
        d->holds = 0;
        d->call = 0;
    }
    while (!d->holds || d->call < call) {
        d->call += d->holds != 0;
        d->holds = 1;
        ffcl_generator_randn(&d->noise.g, d->z, d->n_call * s->each);
        if (s->kind == FFCL_CLASSES_RANDOM)
            ffcl_generator_randint(&d->noise.g, 0, (int64_t)s->classes, d->y, d->n_call);
    }
    memcpy(z, d->z + i % d->n_call * s->each, s->each * sizeof *z);
    *y = d->y[i % d->n_call];
}

/* Picture i of sample_ddp.py: the j-th of iteration k of its rank. */
static void draw_cuda(ffcl_draws *d, size_t i, float *z, int64_t *y)
{
    const ffcl_draws_spec *s = &d->spec;
    const size_t rank = i % s->world, nth = i / s->world, j = nth % s->draw;
    const uint64_t k = nth / s->draw;
    const size_t normals = s->draw * s->each;
    const int random = s->kind == FFCL_CLASSES_RANDOM;
    ffcl_generator *g = &d->noise.g;
    uint64_t an_iteration = ffcl_generator_after(g, 0, normals);
    if (random)
        an_iteration = ffcl_generator_after(g, an_iteration, s->draw);
    const uint64_t offset = k * an_iteration;
    g->seed = s->seed * s->world + rank;
    ffcl_generator_randn_at(g, offset, normals, j * s->each, s->each, z);
    if (random)
        *y = ffcl_generator_randint_at(g, ffcl_generator_after(g, offset, normals), s->draw, j, 0,
                                       (int64_t)s->classes);
}

static void draw_alone(ffcl_draws *d, size_t i, float *z, int64_t *y)
{
    const ffcl_draws_spec *s = &d->spec;
    ffcl_generator *g = &d->noise.g;
    ffcl_generator_seed(g, s->rng, s->seed + i, s->threads);
    ffcl_generator_randn(g, z, s->each);
    if (s->kind == FFCL_CLASSES_RANDOM)
        ffcl_generator_randint(g, 0, (int64_t)s->classes, y, 1);
}

void ffcl_draws_get(ffcl_draws *d, const size_t *index, size_t n, float *z, int32_t *y)
{
    const ffcl_draws_spec *s = &d->spec;
    for (size_t k = 0; k < n; k++) {
        const size_t i = index[k];
        int64_t label = 0;
        if (s->rng == FFCL_RNG_PER_IMAGE)
            draw_alone(d, i, z + k * s->each, &label);
        else if (s->rng == FFCL_RNG_TORCH_CUDA)
            draw_cuda(d, i, z + k * s->each, &label);
        else if (d->in_pieces)
            draw_piece(d, i, z + k * s->each, &label);
        else
            draw_call(d, i, z + k * s->each, &label);
        if (s->kind == FFCL_CLASSES_LIST)
            label = s->list[i % s->n_list];
        else if (s->kind == FFCL_CLASSES_BALANCED)
            label = (int64_t)(i % s->classes);
        y[k] = (int32_t)label;
    }
}
