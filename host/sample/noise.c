/* SPDX-License-Identifier: MIT */
#include "sample/noise.h"

#include <pthread.h>
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
    /* The next batch, drawn by a thread while the device works on this one; while it runs nothing
     * else touches the members above. */
    pthread_t thread;
    int running;
    float *ahead;           /* (ahead_n, each) pictures ahead_first .. */
    size_t ahead_first, ahead_n, ahead_room;
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

static void join(ffcl_noise *noise)
{
    if (noise->running)
        pthread_join(noise->thread, NULL);
    noise->running = 0;
}

void ffcl_noise_close(ffcl_noise **noise)
{
    if (!*noise)
        return;
    join(*noise);
    free((*noise)->ahead);
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

static void draw_pictures(ffcl_noise *noise, size_t first, size_t n, float *out)
{
    if (noise->kind == FFCL_RNG_TORCH_CPU) {
        draw_stream(noise, first, n, out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        ffcl_generator_seed(&noise->g, noise->kind, noise->seed + first + i, noise->threads);
        ffcl_generator_randn(&noise->g, out + i * noise->each, noise->each);
    }
}

static void *draw_ahead(void *user)
{
    ffcl_noise *noise = user;
    draw_pictures(noise, noise->ahead_first, noise->ahead_n, noise->ahead);
    return NULL;
}

/* Starts drawing the n pictures from first on; best effort. */
static void start_ahead(ffcl_noise *noise, size_t first, size_t n)
{
    noise->ahead_n = 0;
    if (first >= noise->count)
        return;
    n = ffcl_min(n, noise->count - first);
    if (n > noise->ahead_room) {
        free(noise->ahead);
        noise->ahead = malloc(n * noise->each * sizeof *noise->ahead);
        noise->ahead_room = noise->ahead ? n : 0;
    }
    if (n > noise->ahead_room)
        return;
    noise->ahead_first = first;
    noise->ahead_n = n;
    noise->running = pthread_create(&noise->thread, NULL, draw_ahead, noise) == 0;
    if (!noise->running)
        noise->ahead_n = 0;
}

int ffcl_noise_draw(ffcl_noise *noise, size_t first, size_t n, float *out, ffcl_error *err)
{
    if (n == 0)
        return 0;
    join(noise);
    if (noise->all) {
        if (first > noise->count || n > noise->count - first)
            return ffcl_fail(err, FFCL_EUSAGE, "picture %zu is beyond the %zu of this generator",
                             first + n - 1, noise->count);
        memcpy(out, noise->all + first * noise->each, n * noise->each * sizeof *out);
        return 0;
    }
    if (noise->ahead_n >= n && noise->ahead_first == first)
        memcpy(out, noise->ahead, n * noise->each * sizeof *out);
    else
        draw_pictures(noise, first, n, out);
    start_ahead(noise, first + n, n);
    return 0;
}
