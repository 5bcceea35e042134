/* SPDX-License-Identifier: MIT
 * Random numbers as PyTorch makes them (docs and tests: tests/data/torch_rng.safetensors).
 *
 * CPU: MT19937, its first 32 seed bits, Box-Muller in blocks of 16 floats, or in pairs of
 * doubles below 16 elements.  CUDA: Philox4x32-10 with the launch geometry of the card. */
#ifndef FFCL_SAMPLE_GENERATOR_H
#define FFCL_SAMPLE_GENERATOR_H

#include <stddef.h>
#include <stdint.h>

#include "config_choices.h"

typedef struct ffcl_generator {
    ffcl_rng kind;
    uint64_t seed;
    uint32_t state[624];        /* MT19937 */
    size_t next;                /* index of the next state word */
    int has_cached;             /* a normal kept from the last pair (fewer than 16 elements) */
    double cached;
    uint64_t offset;            /* CUDA: Philox offset, a multiple of 4 */
    uint64_t threads;           /* CUDA: multiprocessors * floor(max threads per SM / 256) * 256 */
} ffcl_generator;

/* As torch.manual_seed(seed); a negative seed is passed as its two's complement.
 * threads: the card's cap for FFCL_RNG_TORCH_CUDA (270336 on an H100 SXM or H200). */
void ffcl_generator_seed(ffcl_generator *g, ffcl_rng kind, uint64_t seed, uint64_t threads);

/* torch.randn(n) in float32, n elements, contiguous. */
void ffcl_generator_randn(ffcl_generator *g, float *out, size_t n);

/* Passes over n words of a CPU generator: a call of randn for m elements, 16 or more, takes m, and
 * 16 more where 16 does not divide m; one of randint takes a word an element. */
void ffcl_generator_skip(ffcl_generator *g, uint64_t n);

/* CUDA: where a call for n elements at `offset` leaves the generator. */
uint64_t ffcl_generator_after(const ffcl_generator *g, uint64_t offset, size_t n);

/* CUDA: elements first .. first+m-1 of what randn(n), or randint(low, high, (n,)), gives at
 * `offset`.  The generator itself does not move. */
void ffcl_generator_randn_at(const ffcl_generator *g, uint64_t offset, size_t n, size_t first,
                             size_t m, float *out);
int64_t ffcl_generator_randint_at(const ffcl_generator *g, uint64_t offset, size_t n, size_t i,
                                  int64_t low, int64_t high);

/* torch.randint(low, high, (n,)) for ranges below 2^28. */
void ffcl_generator_randint(ffcl_generator *g, int64_t low, int64_t high, int64_t *out, size_t n);

#endif
