/* SPDX-License-Identifier: MIT
 * What is drawn at random for a picture, by its index: noise and, where classes are random, its
 * label.  The numbers depend on the specification and the index, never on who asks, or when. */
#ifndef FFCL_SAMPLE_NOISE_H
#define FFCL_SAMPLE_NOISE_H

#include "config_choices.h"
#include "error.h"
#include "sample/generator.h"

/* torch-cpu: one stream, torch.randn((count, ...)) after manual_seed(seed); where labels are
 * random, randn((draw, ...)) and randint(0, classes, (draw,)) in turn.
 * torch-cuda: picture i is drawn as sample_ddp.py does it on `world` cards: rank i mod world has
 * the seed seed * world + rank, and draws pictures rank, rank + world, ... `draw` at a time.
 * per-image: picture i is randn((1, ...)), and randint(0, classes, (1,)), after
 * manual_seed(seed + i). */
typedef struct ffcl_draws_spec {
    ffcl_rng rng;
    uint64_t seed, threads;         /* threads: of the card, see ffcl_generator_seed */
    size_t count, each;             /* pictures; normals of one */
    size_t draw, world;
    ffcl_classes_kind kind;
    const int64_t *list;            /* (n_list), borrowed; LIST: repeated */
    size_t n_list;
    size_t classes;                 /* of the model */
} ffcl_draws_spec;

typedef struct ffcl_draws ffcl_draws;

/* FFCL_ENOMEM.  One object is for one thread; several of one specification agree. */
int ffcl_draws_open(ffcl_draws **out, const ffcl_draws_spec *spec, ffcl_error *err);
void ffcl_draws_close(ffcl_draws **draws);

/* Noise z (n, each) and labels y (n) of the pictures index[0 .. n-1].  Ascending indices are
 * fastest. */
void ffcl_draws_get(ffcl_draws *draws, const size_t *index, size_t n, float *z, int32_t *y);

#endif
