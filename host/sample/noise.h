/* SPDX-License-Identifier: MIT
 * The noise and the label of each image, by its index; the label is random, too, where classes
 * are.  Both depend on the specification and the index only, never on who asks, or when. */
#ifndef FFCL_SAMPLE_NOISE_H
#define FFCL_SAMPLE_NOISE_H

#include "config_choices.h"
#include "error.h"
#include "sample/generator.h"

/* torch-cpu: one stream, torch.randn((count, ...)) after manual_seed(seed); where labels are
 * random, randn((draw_batch, ...)) and randint(0, classes, (draw_batch,)) in turn.
 * torch-cuda: image i as sample_ddp.py makes it on `world` cards: rank i mod world has the seed
 * seed * world + rank, and makes images rank, rank + world, ... in batches of draw_batch.
 * per-image: image i is randn((1, ...)), and randint(0, classes, (1,)), after
 * manual_seed(seed + i); per-image-42: after manual_seed((seed + i) ^ 42), as iMF's evaluate.py.
 * Samplers that draw noise later do so after that, `later` times randn((rows * draw_batch, ...)) of
 * which the first draw_batch matter; torch-cpu then goes by calls of draw_batch, too. */
typedef struct ffcl_noise_spec {
    ffcl_rng rng;
    uint64_t seed, threads;         /* threads: of the card, see ffcl_generator_seed */
    size_t count, each;             /* images; normals of one */
    size_t draw_batch, world;       /* images of one call of randn; cards */
    ffcl_classes_kind kind;
    const int64_t *list;            /* (n_list), borrowed; LIST: repeated */
    size_t n_list;
    size_t classes;                 /* of the model */
    double scale;                   /* of the noise that a sampler begins with; 0: 1 */
    size_t later, rows;             /* later noises; rows of a call for each image */
} ffcl_noise_spec;

/* Are the first images of a larger count the same?  Not where one call of randn makes them all
 * and ends within a block of 16. */
static inline int ffcl_noise_grows(const ffcl_noise_spec *s)
{
    return s->rng != FFCL_RNG_TORCH_CPU || s->kind == FFCL_CLASSES_RANDOM || s->later ||
           s->each % 16 == 0;
}

typedef struct ffcl_noise ffcl_noise;

/* FFCL_ENOMEM.  One object is for one thread; several of one specification agree. */
int ffcl_noise_open(ffcl_noise **out, const ffcl_noise_spec *spec, ffcl_error *err);
void ffcl_noise_close(ffcl_noise **noise);

/* Noise z (n, each), labels y (n) and later noise (later, n, each) of the images index[0 .. n-1]; z
 * and later NULL: labels alone, which takes less time.  Ascending indices are fastest. */
void ffcl_noise_get(ffcl_noise *noise, const size_t *index, size_t n, float *z, int32_t *y,
                    float *later);

#endif
