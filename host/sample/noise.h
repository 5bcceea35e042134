/* SPDX-License-Identifier: MIT
 * The initial noise by picture index, whatever the batch. */
#ifndef FFCL_SAMPLE_NOISE_H
#define FFCL_SAMPLE_NOISE_H

#include "error.h"
#include "sample/generator.h"

typedef struct ffcl_noise ffcl_noise;

/* Noise for `count` pictures of `each` normals.
 * torch-cpu: one stream, as torch.randn((count, ...)) after manual_seed(seed) on the CPU.
 * torch-cuda: one call for all pictures, as on a card with `threads` resident threads.
 * per-image: picture i is torch.randn((1, ...)) after manual_seed(seed + i) on the CPU. */
int ffcl_noise_open(ffcl_noise **out, ffcl_rng kind, uint64_t seed, uint64_t threads, size_t count,
                    size_t each, ffcl_error *err);
void ffcl_noise_close(ffcl_noise **noise);

/* Normals of pictures first .. first+n-1 into out (n, each).  The n after them are then drawn in a
 * thread, for the next call.  Going backwards starts the stream again. */
int ffcl_noise_draw(ffcl_noise *noise, size_t first, size_t n, float *out, ffcl_error *err);

#endif
