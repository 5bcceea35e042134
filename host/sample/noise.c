/* SPDX-License-Identifier: MIT */
#include "sample/noise.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

struct ffcl_noise {
    ffcl_rng kind;
    uint64_t seed, threads;
    size_t count, each;
    ffcl_generator g;
    size_t next;            /* the picture that the stream yields next */
    float *all;             /* (count, each), where the stream cannot be cut into pictures */
};

int ffcl_noise_open(ffcl_noise **out, ffcl_rng kind, uint64_t seed, uint64_t threads, size_t count,
                    size_t each, ffcl_error *err)
{
    *out = NULL;
    ffcl_noise *noise = calloc(1, sizeof *noise);
    if (!noise)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the noise");
    *noise = (ffcl_noise){.kind = kind, .seed = seed, .threads = threads, .count = count,
                          .each = each};
    ffcl_generator_seed(&noise->g, kind, seed, threads);
    /* CPU normals come in blocks of 16, so whole pictures can be drawn one after the other only
     * where a picture is whole blocks; CUDA's depend on the size of the call. */
    if (kind == FFCL_RNG_TORCH_CUDA || (kind == FFCL_RNG_TORCH_CPU && each % 16)) {
        size_t n = 0, bytes = 0;
        if (ffcl_mul(&n, count, each) == 0 && ffcl_mul(&bytes, n, sizeof(float)) == 0)
            noise->all = malloc(bytes);
        if (!noise->all) {
            free(noise);
            return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the noise of %zu pictures",
                             count);
        }
        ffcl_generator_randn(&noise->g, noise->all, n);
    }
    *out = noise;
    return 0;
}

void ffcl_noise_close(ffcl_noise **noise)
{
    if (!*noise)
        return;
    free((*noise)->all);
    free(*noise);
    *noise = NULL;
}

static void draw_stream(ffcl_noise *noise, size_t first, size_t n, float *out)
{
    if (first < noise->next) {
        ffcl_generator_seed(&noise->g, noise->kind, noise->seed, noise->threads);
        noise->next = 0;
    }
    for (; noise->next < first; noise->next++)      /* out serves as a bin for skipped pictures */
        ffcl_generator_randn(&noise->g, out, noise->each);
    ffcl_generator_randn(&noise->g, out, n * noise->each);
    noise->next = first + n;
}

int ffcl_noise_draw(ffcl_noise *noise, size_t first, size_t n, float *out, ffcl_error *err)
{
    if (n == 0)
        return 0;
    if (noise->all) {
        if (first > noise->count || n > noise->count - first)
            return ffcl_fail(err, FFCL_EUSAGE, "picture %zu is beyond the %zu of this generator",
                             first + n - 1, noise->count);
        memcpy(out, noise->all + first * noise->each, n * noise->each * sizeof *out);
        return 0;
    }
    if (noise->kind == FFCL_RNG_TORCH_CPU) {
        draw_stream(noise, first, n, out);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        ffcl_generator_seed(&noise->g, noise->kind, noise->seed + first + i, noise->threads);
        ffcl_generator_randn(&noise->g, out + i * noise->each, noise->each);
    }
    return 0;
}
