/* SPDX-License-Identifier: MIT
 *
 * Noise and labels by index: the same as PyTorch's scripts make them one batch after another,
 * asked for in any order, and as recorded on a CPU and on an H200. */
#include "sample/noise.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "files/tensorfile.h"
#include "run/indices.h"

#define RECORDED "tests/data/torch_rng.safetensors"

enum { H200_THREADS = 270336, CLASSES = 1000 };

/* cuRAND looks sine and cosine up in a table that is not public: measured 1.2e-6. */
static const float CUDA_TOLERANCE = 2e-6f;

/* What the script makes for images 0 .. count-1. */
typedef struct script {
    float *z, *later;           /* (images, each), (images, later, each) */
    int32_t *y;
} script;

/* sample_ddp.py on `world` devices of draw_batch images a batch; random labels where `random`. */
static script run_script(const ffcl_noise_spec *s)
{
    const size_t an_iteration = s->draw_batch * s->world;
    const size_t iterations = (s->count + an_iteration - 1) / an_iteration;
    const size_t room = iterations * an_iteration;
    script out = {calloc(room * s->each, sizeof(float)),
                  calloc(room * s->each * s->later + 1, sizeof(float)),
                  calloc(room, sizeof(int32_t))};
    const size_t rows = s->rows ? s->rows : 1;
    float *z = calloc(rows * s->draw_batch * s->each, sizeof *z);
    int64_t *y = calloc(s->draw_batch, sizeof *y);
    assert_true(out.z && out.y && z && y);
    for (size_t rank = 0; rank < s->world; rank++) {
        ffcl_generator g;
        ffcl_generator_seed(&g, s->rng, s->seed * s->world + rank, s->threads);
        for (size_t k = 0; k < iterations; k++) {
            ffcl_generator_randn(&g, z, s->draw_batch * s->each);
            if (s->kind == FFCL_CLASSES_RANDOM)
                ffcl_generator_randint(&g, 0, (int64_t)s->classes, y, s->draw_batch);
            for (size_t j = 0; j < s->draw_batch; j++) {
                size_t i = (k * s->draw_batch + j) * s->world + rank;
                memcpy(out.z + i * s->each, z + j * s->each, s->each * sizeof *z);
                out.y[i] = (int32_t)y[j];
            }
            for (size_t l = 0; l < s->later; l++) {
                ffcl_generator_randn(&g, z, rows * s->draw_batch * s->each);
                for (size_t j = 0; j < s->draw_batch; j++) {
                    size_t i = (k * s->draw_batch + j) * s->world + rank;
                    memcpy(out.later + (i * s->later + l) * s->each, z + j * s->each,
                           s->each * sizeof *z);
                }
            }
        }
    }
    free(z);
    free(y);
    return out;
}

/* Every image, forwards, backwards and in jumps, one at a time and in threes. */
static void check_against(const ffcl_noise_spec *s, const script *want)
{
    ffcl_error err = {0};
    ffcl_noise *noise = NULL;
    float *z = calloc(3 * s->each, sizeof *z);
    float *later = calloc(3 * s->each * s->later + 1, sizeof *later);
    int32_t y[3];
    assert_true(z && later);
    if (ffcl_noise_open(&noise, s, &err))
        fail_msg("%s", err.text);
    for (size_t round = 0; round < 3; round++)
        for (size_t k = 0; k + 2 < s->count; k++) {
            size_t i = round == 0 ? k : round == 1 ? s->count - 3 - k : k * 7 % (s->count - 2);
            size_t index[3] = {i, i + 1, i + 2}, n = 1 + 2 * (k % 2);
            ffcl_noise_get(noise, index, n, z, y, later);
            assert_memory_equal(z, want->z + i * s->each, n * s->each * sizeof *z);
            for (size_t l = 0; l < s->later; l++)
                for (size_t j = 0; j < n; j++)
                    assert_memory_equal(later + (l * n + j) * s->each,
                                        want->later + ((i + j) * s->later + l) * s->each,
                                        s->each * sizeof *z);
            for (size_t j = 0; s->kind == FFCL_CLASSES_RANDOM && j < n; j++)
                assert_int_equal(y[j], want->y[i + j]);
        }
    ffcl_noise_close(&noise);
    free(z);
    free(later);
}

static void test_scripts(void **state)
{
    (void)state;
    /* Images of 16 normals can come alone, those of 20 and 9 cannot.  With 512 threads a launch
     * has several rounds. */
    static const struct { ffcl_rng rng; size_t each, draw_batch, world, threads; } cases[] = {
        {FFCL_RNG_TORCH_CPU, 256, 5, 1, H200_THREADS},
        {FFCL_RNG_TORCH_CPU, 256, 32, 1, H200_THREADS},
        {FFCL_RNG_TORCH_CPU, 20, 5, 1, H200_THREADS},
        {FFCL_RNG_TORCH_CPU, 9, 5, 1, H200_THREADS},
        {FFCL_RNG_TORCH_CUDA, 256, 5, 1, H200_THREADS},
        {FFCL_RNG_TORCH_CUDA, 256, 5, 3, H200_THREADS},
        {FFCL_RNG_TORCH_CUDA, 256, 7, 2, 512},
        {FFCL_RNG_TORCH_CUDA, 20, 40, 2, 512},
        {FFCL_RNG_TORCH_CUDA, 4096, 3, 4, 1024},
        {FFCL_RNG_TORCH_CUDA, 4, 600, 1, 512},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int way = 0; way < 6; way++) {
            const int random = way % 2;
            const int64_t list[] = {3};
            ffcl_noise_spec s = {.rng = cases[i].rng, .seed = 42 - (uint64_t)i * 3,
                                 .threads = cases[i].threads, .count = 44,
                                 .each = cases[i].each, .draw_batch = cases[i].draw_batch,
                                 .world = cases[i].world, .classes = CLASSES,
                                 .kind = random ? FFCL_CLASSES_RANDOM : FFCL_CLASSES_LIST,
                                 .list = list, .n_list = 1,
                                 /* None, three, and three of which half are not used. */
                                 .later = way < 2 ? 0 : 3, .rows = way < 4 ? 1 : 2};
            /* Without labels the CPU's stream is one call for all. */
            ffcl_noise_spec in_script = s;
            if (s.rng == FFCL_RNG_TORCH_CPU && !random && !s.later)
                in_script.draw_batch = s.count;
            script want = run_script(&in_script);
            check_against(&s, &want);
            free(want.z);
            free(want.later);
            free(want.y);
        }
}

static void test_per_image(void **state)
{
    (void)state;
    enum { EACH = 256 };
    const ffcl_noise_spec s = {.rng = FFCL_RNG_PER_IMAGE, .seed = UINT64_MAX - 1, .count = 9,
                               .each = EACH, .kind = FFCL_CLASSES_RANDOM, .classes = CLASSES,
                               .draw_batch = 4, .world = 3, .threads = 256, .later = 2, .rows = 2};
    const size_t index[] = {5, 0, 8};
    float z[3 * EACH], later[2 * 3 * EACH], want[EACH];
    int32_t y[3];
    ffcl_noise *noise = NULL;
    assert_int_equal(ffcl_noise_open(&noise, &s, NULL), 0);
    ffcl_noise_get(noise, index, 3, z, y, later);
    for (size_t k = 0; k < 3; k++) {
        ffcl_generator g;
        int64_t label;
        ffcl_generator_seed(&g, FFCL_RNG_TORCH_CPU, s.seed + index[k], 256);
        ffcl_generator_randn(&g, want, EACH);
        ffcl_generator_randint(&g, 0, CLASSES, &label, 1);
        assert_memory_equal(z + k * EACH, want, sizeof want);
        for (size_t l = 0; l < 2; l++) {
            ffcl_generator_randn(&g, want, EACH);
            assert_memory_equal(later + (l * 3 + k) * EACH, want, sizeof want);
        }
        assert_int_equal(y[k], label);
    }
    ffcl_noise_close(&noise);
}

static void test_labels(void **state)
{
    (void)state;
    const int64_t list[] = {7, 5, 3};
    const size_t index[] = {0, 1, 4, 1003};
    const int32_t listed[] = {7, 5, 5, 5}, balanced[] = {0, 1, 4, 3};
    float z[4 * 16];
    int32_t y[4];
    ffcl_noise_spec s = {.count = 2000, .each = 16, .draw_batch = 32, .world = 1, .threads = 256,
                         .list = list, .n_list = 3, .classes = CLASSES};
    for (int kind = 0; kind < 2; kind++) {
        ffcl_noise *noise = NULL;
        s.kind = kind ? FFCL_CLASSES_BALANCED : FFCL_CLASSES_LIST;
        assert_int_equal(ffcl_noise_open(&noise, &s, NULL), 0);
        ffcl_noise_get(noise, index, 4, z, y, NULL);
        assert_memory_equal(y, kind ? balanced : listed, sizeof y);
        ffcl_noise_close(&noise);
    }
}

/* ---- recordings --------------------------------------------------------------------------- */

static float *recorded(ffcl_tensor_file *file, const char *name, size_t *n)
{
    ffcl_error err = {0};
    const ffcl_tensor_info *info = ffcl_tensor_file_find(file, name);
    if (!info)
        fail_msg("%s is not recorded", name);
    *n = info->count;
    float *values = malloc(*n * sizeof *values);
    assert_non_null(values);
    if (ffcl_tensor_file_read_f32(file, info, 0, *n, values, &err))
        fail_msg("%s", err.text);
    return values;
}

/* Long recordings keep their first and last 64 values. */
static size_t place(size_t i, size_t stored, size_t n)
{
    return stored == n || i < 64 ? i : n - stored + i;
}

/* Global seed 21 on two GPUs: rank 0 has seed 42, rank 1 has 43; the first batch of rank 0 is the
 * recorded one of seed 42.  Seed 1 of one GPU likewise. */
static void test_recorded_ranks(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        size_t world;
        const char *name;
        size_t n, each;
    } cases[] = {
        {21, 2, "cuda.seed42.8x4x32x32.first", 8, 4096},
        {1, 1, "cuda.seed1.16x4x64x64.first", 16, 16384},
        {21, 2, "cuda.seed42.1x4x8x8.first", 1, 256},
        {1, 1, "cpu.seed1.8x4x32x32.first", 8, 4096},
    };
    ffcl_tensor_file *file = NULL;
    ffcl_error err = {0};
    if (ffcl_tensor_file_open(&file, RECORDED, &err))
        fail_msg("%s", err.text);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const int cuda = cases[c].name[1] == 'u';
        const size_t each = cases[c].each, total = cases[c].n * each;
        const ffcl_noise_spec s = {
            .rng = cuda ? FFCL_RNG_TORCH_CUDA : FFCL_RNG_TORCH_CPU, .seed = cases[c].seed,
            .threads = H200_THREADS, .count = cases[c].n * cases[c].world, .each = each,
            .draw_batch = cases[c].n, .world = cases[c].world, .kind = FFCL_CLASSES_RANDOM,
            .classes = CLASSES};
        size_t stored;
        float *want = recorded(file, cases[c].name, &stored);
        float *got = malloc(total * sizeof *got);
        int32_t y;
        ffcl_noise *noise = NULL;
        assert_non_null(got);
        assert_int_equal(ffcl_noise_open(&noise, &s, &err), 0);
        for (size_t j = 0; j < cases[c].n; j++) {
            const size_t index = j * cases[c].world;
            ffcl_noise_get(noise, &index, 1, got + j * each, &y, NULL);
        }
        for (size_t i = 0; i < stored; i++) {
            float difference = fabsf(got[place(i, stored, total)] - want[i]);
            if (!(difference <= (cuda ? CUDA_TOLERANCE : 0)))
                fail_msg("%s: value %zu is off by %g", cases[c].name, i, difference);
        }
        ffcl_noise_close(&noise);
        free(want);
        free(got);
    }
    ffcl_tensor_file_close(&file);
}

/* The later calls of a recorded row, each from its offset alone: labels come exactly. */
static void test_recorded_offsets(void **state)
{
    (void)state;
    static const struct { const char *name; uint64_t seed; size_t n, labels; } cases[] = {
        {"cuda.seed0.8x4x32x32", 0, 32768, 8}, {"cuda.seed42.16x4x64x64", 42, 262144, 16},
        {"cuda.seed1.1x4x8x8", 1, 256, 1}, {"cuda.seed42.3x5", 42, 15, 3},
    };
    ffcl_tensor_file *file = NULL;
    ffcl_error err = {0};
    if (ffcl_tensor_file_open(&file, RECORDED, &err))
        fail_msg("%s", err.text);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        static const char *const parts[] = {"first", "second", "randint1000", "third"};
        ffcl_generator g;
        uint64_t offset = 0;
        ffcl_generator_seed(&g, FFCL_RNG_TORCH_CUDA, cases[c].seed, H200_THREADS);
        for (size_t p = 0; p < 4; p++) {
            char name[80];
            size_t stored, n = p == 2 ? cases[c].labels : cases[c].n;
            snprintf(name, sizeof name, "%s.%s", cases[c].name, parts[p]);
            if (p == 2) {
                int64_t want[32];
                const ffcl_tensor_info *info = ffcl_tensor_file_find(file, name);
                assert_non_null(info);
                /* Those of 16 are recorded twice. */
                assert_true(info->count == n || info->count == 2 * n);
                assert_int_equal(ffcl_tensor_file_read_i64(file, info, 0, info->count, want, &err),
                                 0);
                for (size_t i = 0; i < info->count; i++)
                    assert_int_equal(ffcl_generator_randint_at(&g, offset, n, i % n, 0, 1000),
                                     want[i]);
            } else {
                float *want = recorded(file, name, &stored);
                for (size_t i = 0; i < stored; i++) {
                    float got;
                    ffcl_generator_randn_at(&g, offset, n, place(i, stored, n), 1, &got);
                    if (!(fabsf(got - want[i]) <= CUDA_TOLERANCE))
                        fail_msg("%s: value %zu is %g and not %g", name, i, got, want[i]);
                }
                free(want);
            }
            offset = ffcl_generator_after(&g, offset, n);
        }
    }
    ffcl_tensor_file_close(&file);
}

/* ---- the set of indices ------------------------------------------------------------------- */

static void test_indices(void **state)
{
    (void)state;
    ffcl_indices *set = NULL;
    size_t list[8], total, done, taken;
    assert_int_equal(ffcl_indices_open(&set, 10, 1, 3, NULL), 0);       /* 1, 4, 7 */
    ffcl_indices_done(set, 4);
    assert_int_equal(ffcl_indices_take(set, 1, list, 1, 0), 1);
    assert_int_equal(list[0], 1);
    assert_int_equal(ffcl_indices_take(set, 2, list, 8, 0), 1);
    assert_int_equal(list[0], 7);
    assert_int_equal(ffcl_indices_take(set, 2, list, 8, 0), 0);
    ffcl_indices_count(set, &total, &done, &taken);
    assert_true(total == 3 && done == 1 && taken == 2);
    assert_int_equal(ffcl_indices_wait(set, 1), 0);
    assert_int_equal(ffcl_indices_give_back_all(set, 1), 1);
    assert_int_equal(ffcl_indices_take(set, 2, list, 8, 1), 1);         /* what was given back */
    assert_int_equal(list[0], 1);
    ffcl_indices_give_back(set, 7);
    ffcl_indices_stop(set);
    assert_int_equal(ffcl_indices_take(set, 2, list, 8, 1), 0);
    assert_int_equal(ffcl_indices_wait(set, 1), 0);     /* 1 is still somebody's */
    ffcl_indices_done(set, 1);
    assert_int_equal(ffcl_indices_wait(set, 1), 1);
    ffcl_indices_count(set, &total, &done, &taken);
    assert_true(total == 3 && done == 2 && taken == 0);
    ffcl_indices_close(&set);
    assert_int_equal(ffcl_indices_open(&set, 3, 5, 8, NULL), 0);        /* a rank without any */
    assert_int_equal(ffcl_indices_take(set, 1, list, 8, 1), 0);
    assert_int_equal(ffcl_indices_wait(set, 1), 1);
    ffcl_indices_close(&set);
}

/* iMF's: seeds XOR 42, and what a sampler begins with is scaled, but not later noise. */
static void test_per_image_42(void **state)
{
    (void)state;
    enum { EACH = 48 };
    const ffcl_noise_spec s = {.rng = FFCL_RNG_PER_IMAGE_42, .seed = 7, .count = 50, .each = EACH,
                               .kind = FFCL_CLASSES_BALANCED, .classes = CLASSES, .draw_batch = 1,
                               .world = 1, .scale = 4, .later = 1, .rows = 1};
    const size_t index[] = {0, 41};
    float z[2 * EACH], later[2 * EACH], want[EACH];
    int32_t y[2];
    ffcl_noise *noise = NULL;
    assert_int_equal(ffcl_noise_open(&noise, &s, NULL), 0);
    ffcl_noise_get(noise, index, 2, z, y, later);
    for (size_t k = 0; k < 2; k++) {
        ffcl_generator g;
        ffcl_generator_seed(&g, FFCL_RNG_TORCH_CPU, k ? 26 : 45, 0);    /* 48 and 7 XOR 42 */
        ffcl_generator_randn(&g, want, EACH);
        for (size_t e = 0; e < EACH; e++)
            assert_true(z[k * EACH + e] == 4 * want[e]);
        ffcl_generator_randn(&g, want, EACH);
        assert_memory_equal(later + k * EACH, want, sizeof want);
    }
    ffcl_noise_close(&noise);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),         cmocka_unit_test(test_per_image),
        cmocka_unit_test(test_labels),          cmocka_unit_test(test_recorded_ranks),
        cmocka_unit_test(test_recorded_offsets), cmocka_unit_test(test_indices),
        cmocka_unit_test(test_per_image_42),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
