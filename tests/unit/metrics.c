/* SPDX-License-Identifier: MIT
 *
 * Statistics and metrics against tests/data/metrics_zoo.ref.safetensors: what torch-fidelity,
 * pytorch-fid and ADM's evaluator made of the same features.  Their results are the constants
 * here, which the file's metadata have, too. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "eval/moments.h"
#include "eval/neighbours.h"
#include "eval/score.h"
#include "eval/tally.h"
#include "files/tensorfile.h"
#include "gemm.h"
#include "model/inception.h"
#include "util.h"

#define RECORDED "tests/data/metrics_zoo.ref.safetensors"

static ffcl_tensor_file *file;
static ffcl_lapack *lapack;

static float *read_floats(const char *name, size_t *rows, size_t *cols)
{
    ffcl_error err = {0};
    const ffcl_tensor_info *info = ffcl_tensor_file_find(file, name);
    assert_non_null(info);
    *rows = info->shape[0];
    *cols = info->rank > 1 ? info->shape[1] : 1;
    float *x = malloc(info->count * sizeof *x);
    assert_non_null(x);
    if (ffcl_tensor_file_read_f32(file, info, 0, info->count, x, &err))
        fail_msg("%s", err.text);
    return x;
}

static void close_to(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("got %.12g, want %.12g", got, want);
}

/* Of features that come in batches of `batch`. */
static ffcl_moments *moments_of(const char *name, size_t batch)
{
    size_t n, D;
    ffcl_error err = {0};
    ffcl_moments *m = NULL;
    float *x = read_floats(name, &n, &D);
    assert_int_equal(ffcl_moments_open(&m, D, &err), 0);
    for (size_t i = 0; i < n; i += batch)
        ffcl_moments_add(m, lapack, x + i * D, ffcl_min(batch, n - i));
    ffcl_moments_end(m, lapack);
    assert_int_equal(m->n, n);
    free(x);
    return m;
}

static double distance(const char *a, const char *b)
{
    ffcl_error err = {0};
    double d = NAN, back = NAN;
    ffcl_moments *x = moments_of(a, 7), *y = moments_of(b, 64);
    assert_int_equal(ffcl_moments_distance(&d, x, y, lapack, &err), 0);
    assert_int_equal(ffcl_moments_distance(&back, y, x, lapack, &err), 0);
    /* An eigenvalue that is 0 but for rounding has a root of about 1e-8 of the largest: OpenBLAS of
     * Debian 13 is off by 1.2e-9 there. */
    close_to(back, d, strstr(a, "singular") ? 1e-7 : 1e-9);
    ffcl_moments_close(&x);
    ffcl_moments_close(&y);
    return d;
}

static void test_full(void **state)
{
    (void)state;
    close_to(distance("fid_full.x", "fid_full.y"), 4.72096622900586, 1e-6);
}

/* 64 samples of 128 features. */
static void test_singular(void **state)
{
    (void)state;
    close_to(distance("fid_singular.x", "fid_singular.y"), 65.9591760952005, 1e-5);
}

static void test_same(void **state)
{
    (void)state;
    assert_true(fabs(distance("fid_full.x", "fid_full.x")) < 1e-9);
    /* The root of a rounding is larger than it, and no distance is below 0. */
    const double d = distance("fid_singular.x", "fid_singular.x");
    assert_true(d >= 0.0 && d < 1e-5);
}

/* Images of one answer, in more splits than images: scores of 1, apart by nothing. */
static void test_same_scores(void **state)
{
    enum { N = 9, CLASSES = 1008 };
    float logits[CLASSES];
    (void)state;
    for (size_t rule = 0; rule < 2; rule++) {
        ffcl_score *s = NULL;
        ffcl_error err = {0};
        double mean = NAN, deviation = NAN;
        const ffcl_habit *habit = ffcl_habit_of(rule ? FFCL_LIKE_TORCH_FIDELITY : FFCL_LIKE_ADM);
        assert_int_equal(ffcl_score_open(&s, &habit->score, N, CLASSES, &err), 0);
        for (size_t i = 0; i < N; i++) {
            for (size_t c = 0; c < CLASSES; c++)
                logits[c] = (float)((c * 7919 + (rule ? i : 0) * 31) % 1009) / 50.0f;
            ffcl_score_add(s, logits);
        }
        assert_int_equal(ffcl_score_empty_splits(s), rule ? 1 : 0);
        ffcl_score_result(s, &mean, &deviation);
        assert_true(mean >= 1.0 && mean < 1.0 + 1e-12);
        assert_true(deviation < 1e-12);
        ffcl_score_close(&s);
    }
}

/* Given means and diagonal covariances: a closed form. */
static void test_diagonal(void **state)
{
    enum { D = 12 };
    ffcl_error err = {0};
    ffcl_moments *m[2];
    double d = NAN;
    (void)state;
    for (int k = 0; k < 2; k++) {
        size_t n, one;
        float *mu = read_floats(k ? "fid_diag.mu2" : "fid_diag.mu1", &n, &one);
        float *var = read_floats(k ? "fid_diag.var2" : "fid_diag.var1", &n, &one);
        double mean[D], covariance[D * D] = {0};
        assert_int_equal(n, D);
        for (size_t i = 0; i < D; i++) {
            mean[i] = (double)mu[i];
            covariance[i * D + i] = (double)var[i];
        }
        assert_int_equal(ffcl_moments_of(&m[k], D, 100, mean, covariance, &err), 0);
        free(mu);
        free(var);
    }
    assert_int_equal(ffcl_moments_distance(&d, m[0], m[1], lapack, &err), 0);
    close_to(d, 41.544109116044346, 1e-6);
    ffcl_moments_close(&m[0]);
    ffcl_moments_close(&m[1]);
}

/* Blocks of a fixed size: the same bits whatever the batches, also of more than one block; and the
 * covariance of the formula, of numbers that are far from 0. */
static void test_batches(void **state)
{
    enum { N = 3 * FFCL_MOMENTS_BLOCK + 5, D = 3 };
    ffcl_error err = {0};
    ffcl_moments *a = NULL, *b = NULL;
    float x[N][D];
    double mean[D] = {0}, want = 0.0, covariance[D * D];
    (void)state;
    for (size_t i = 0; i < N; i++)
        for (size_t c = 0; c < D; c++)
            x[i][c] = 1000.0f + (float)((i * 7919 + c * 104729) % 1009) / 64.0f;
    assert_int_equal(ffcl_moments_open(&a, D, &err), 0);
    assert_int_equal(ffcl_moments_open(&b, D, &err), 0);
    ffcl_moments_add(a, lapack, x[0], N);
    for (size_t i = 0; i < N; i++)
        ffcl_moments_add(b, lapack, x[i], 1);
    ffcl_moments_end(a, lapack);
    ffcl_moments_end(b, lapack);
    assert_memory_equal(a->mean, b->mean, sizeof mean);
    assert_memory_equal(a->squares, b->squares, D * D * sizeof *a->squares);
    for (size_t i = 0; i < N; i++)
        for (size_t c = 0; c < D; c++)
            mean[c] += (double)x[i][c] / N;
    for (size_t i = 0; i < N; i++)
        want += ((double)x[i][0] - mean[0]) * ((double)x[i][2] - mean[2]) / (N - 1);
    ffcl_moments_covariance(a, covariance);
    close_to(covariance[2], want, 1e-10);
    close_to(covariance[6], want, 1e-10);
    close_to(a->mean[1], mean[1], 1e-12);
    ffcl_moments_close(&a);
    ffcl_moments_close(&b);
}

static void score(const ffcl_score_rule *rule, double *mean, double *deviation)
{
    size_t n, classes;
    ffcl_error err = {0};
    ffcl_score *s = NULL;
    float *logits = read_floats("is.logits", &n, &classes);
    assert_int_equal(ffcl_score_open(&s, rule, n, classes, &err), 0);
    for (size_t i = 0; i < n; i++)
        ffcl_score_add(s, logits + i * classes);
    ffcl_score_result(s, mean, deviation);
    ffcl_score_close(&s);
    free(logits);
}

static void test_score(void **state)
{
    double mean, deviation;
    (void)state;
    score(&(ffcl_score_rule){.splits = 10}, &mean, &deviation);
    close_to(mean, 2.7072486877047997, 1e-6);
    close_to(deviation, 0.3713026551700039, 1e-6);
    score(&(ffcl_score_rule){.splits = 10, .shuffles = 1, .seed = 2020}, &mean, &deviation);
    close_to(mean, 2.7161544185900954, 1e-6);
    close_to(deviation, 0.29731929037438753, 1e-6);
    score(&(ffcl_score_rule){.splits = 1}, &mean, &deviation);
    close_to(mean, 3.319953634181866, 1e-6);
    assert_true(deviation < 1e-6);
    score(&(ffcl_score_rule){.each = 5000}, &mean, &deviation);
    close_to(mean, 3.3199536341818656, 1e-6);
    score(&(ffcl_score_rule){.each = 40}, &mean, &deviation);
    close_to(mean, 3.1228339297418652, 1e-6);
}

static void test_permutation(void **state)
{
    int64_t want[103];
    uint32_t order[103];
    ffcl_error err = {0};
    const ffcl_tensor_info *info = ffcl_tensor_file_find(file, "is.permutation_2020");
    (void)state;
    assert_non_null(info);
    assert_int_equal(ffcl_tensor_file_read_i64(file, info, 0, 103, want, &err), 0);
    ffcl_numpy_permutation(2020, order, 103);
    for (size_t i = 0; i < 103; i++)
        assert_int_equal(order[i], want[i]);
}

/* Every half and back, and what lies between two. */
static void test_half(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const float x = ffcl_float_of((uint16_t)h);
        if (isnan(x))
            assert_true((ffcl_half_of(x) & 0x7fff) > 0x7c00);
        else
            assert_int_equal(ffcl_half_of(x), h);
        const float next = ffcl_float_of((uint16_t)(h + 1));
        if ((h & 0x7fff) < 0x7bff)      /* half way: to the even one */
            assert_int_equal(ffcl_half_of((x + next) / 2.0f), h + (h & 1));
    }
    assert_int_equal(ffcl_half_of(65519.0f), 0x7bff);
    assert_int_equal(ffcl_half_of(65520.0f), 0x7c00);
}

static void fill_kept(ffcl_kept *kept, const char *name, int is_half)
{
    size_t n, D;
    ffcl_error err = {0};
    float *x = read_floats(name, &n, &D);
    *kept = (ffcl_kept){.D = D, .is_half = is_half};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ffcl_kept_add(kept, x + i * D, &err), 0);
    free(x);
}

static void neighbours(ffcl_ctx *ctx, const char *name, double precision, double recall,
                       int is_half)
{
    char text[64];
    size_t n, one;
    ffcl_error err = {0};
    ffcl_kept sample, reference;
    ffcl_neighbours got;
    snprintf(text, sizeof text, "%s.sample", name);
    fill_kept(&sample, text, is_half);
    snprintf(text, sizeof text, "%s.ref", name);
    fill_kept(&reference, text, is_half);
    float *reach = malloc(reference.n * sizeof *reach);
    assert_non_null(reach);
    if (ffcl_neighbours_reach(reach, ctx, &reference, &err) ||
        ffcl_neighbours_compute(&got, ctx, &sample, &reference, &err))
        fail_msg("%s", err.text);
    close_to(got.precision, precision, 1e-6);
    close_to(got.recall, recall, 1e-6);
    snprintf(text, sizeof text, "%s.radii_ref", name);
    float *want = read_floats(text, &n, &one);
    /* The nearest of each sample by the definition. */
    float a[8], b[8];
    for (size_t i = 0; i < n; i++)
        close_to((double)reach[i], (double)want[i], is_half ? 1e-2 : 1e-5);
    for (size_t i = 0; i < sample.n; i++) {
        double least = INFINITY;
        ffcl_kept_get(&sample, i, 1, a);
        for (size_t j = 0; j < reference.n; j++) {
            double d = 0.0;
            ffcl_kept_get(&reference, j, 1, b);
            for (size_t c = 0; c < sample.D; c++)
                d += ((double)a[c] - (double)b[c]) * ((double)a[c] - (double)b[c]);
            least = fmin(least, d);
        }
        assert_true(fabs((double)got.distance[i] - least) < 1e-5 * (1.0 + least));
        assert_true(got.nearest[i] >= 0 && (size_t)got.nearest[i] < reference.n);
    }
    ffcl_neighbours_close(&got);
    ffcl_kept_close(&sample);
    ffcl_kept_close(&reference);
    free(reach);
    free(want);
}

/* By each back end that there is. */
/* Features of an image: any numbers that differ from image to image. */
static void make_features(float *x, size_t index)
{
    uint32_t u = (uint32_t)index * 2654435761u + 1;
    for (size_t i = 0; i < FFCL_INCEPTION_ALL; i++) {
        u = u * 1664525u + 1013904223u;
        x[i] = (float)(u >> 8) / 16777216.0f;
    }
}

typedef enum order { FORWARDS, BACKWARDS, FIRST_LAST } order;

static ffcl_tally *tally_of(size_t n, order in)
{
    enum { POOL = FFCL_INCEPTION_POOL, SPATIAL = FFCL_INCEPTION_SPATIAL };
    float *x = malloc(FFCL_INCEPTION_ALL * sizeof *x);
    ffcl_tally *t = NULL;
    ffcl_error err = {0};
    assert_non_null(x);
    assert_int_equal(ffcl_tally_open(&t, ffcl_habit_of(FFCL_LIKE_ADM), n, 0, &err), 0);
    for (size_t i = 0; i < n; i++) {
        const size_t index = in == BACKWARDS ? n - 1 - i : in == FIRST_LAST ? (i + 1) % n : i;
        make_features(x, index);
        assert_int_equal(ffcl_tally_add(t, index, x, x + POOL, x + POOL + SPATIAL, &err), 0);
        assert_int_equal(ffcl_tally_count(t), in == FORWARDS ? i + 1 : (i + 1 == n) * n);
    }
    ffcl_tally_end(t);
    free(x);
    return t;
}

/* More images than wait in memory come before the first: the sums are the same bits. */
static void test_waiting(void **state)
{
    enum { N = 1030, D = FFCL_INCEPTION_POOL };
    ffcl_tally *a = tally_of(N, FORWARDS), *b = tally_of(N, BACKWARDS);
    const ffcl_moments *p = ffcl_tally_pool(a), *q = ffcl_tally_pool(b);
    double score[2], deviation[2];
    (void)state;
    assert_int_equal(p->n, N);
    assert_int_equal(q->n, N);
    assert_memory_equal(p->mean, q->mean, D * sizeof *p->mean);
    assert_memory_equal(p->squares, q->squares, (size_t)D * D * sizeof *p->squares);
    ffcl_tally_score(a, &score[0], &deviation[0]);
    ffcl_tally_score(b, &score[1], &deviation[1]);
    assert_true(score[0] == score[1] && deviation[0] == deviation[1] && score[0] > 1.0);
    ffcl_tally_close(&a);
    ffcl_tally_close(&b);
}

/* The same where the disk is full after a few of those that wait in a file. */
static void test_waiting_on_full_disk(void **state)
{
    enum { N = 1040, D = FFCL_INCEPTION_POOL };
    struct rlimit before, now;
    (void)state;
    ffcl_tally *a = tally_of(N, FORWARDS);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    now = before;
    /* Indices from 1025 on wait in a file: a part of 1030 fits. */
    now.rlim_cur = (rlim_t)(1030 * FFCL_INCEPTION_ALL * sizeof(float) + 17000);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
    ffcl_tally *b = tally_of(N, FIRST_LAST);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_memory_equal(ffcl_tally_pool(a)->squares, ffcl_tally_pool(b)->squares,
                        (size_t)D * D * sizeof(double));
    ffcl_tally_close(&a);
    ffcl_tally_close(&b);
}

static void test_neighbours(void **state)
{
    static const char *const backends[] = {"auto", "builtin", "clblast"};
    ffcl_error err = {0, ""};
    ffcl_device device;
    (void)state;
    if (ffcl_device_select(&device, "auto", &err))
        skip();
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        ffcl_ctx *ctx = NULL;
        assert_int_equal(ffcl_ctx_open(&ctx, &device, NULL, NULL, &err), 0);
        ctx->err = &err;
        assert_int_equal(ffcl_blas_open(ctx, &(ffcl_blas_options){.name = backends[i]}), 0);
        for (int is_half = 0; is_half < 2; is_half++) {
            neighbours(ctx, "pr_a", 0.86, 0.575, is_half);
            neighbours(ctx, "pr_b", 1.0, 0.8333333333333334, is_half);
        }
        ffcl_blas_close(ctx);
        ffcl_ctx_close(&ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full), cmocka_unit_test(test_singular), cmocka_unit_test(test_same),
        cmocka_unit_test(test_diagonal), cmocka_unit_test(test_batches),
        cmocka_unit_test(test_score), cmocka_unit_test(test_same_scores),
        cmocka_unit_test(test_permutation),
        cmocka_unit_test(test_half), cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_waiting_on_full_disk),
        cmocka_unit_test(test_neighbours),
    };
    ffcl_error err = {0};
    if (ffcl_tensor_file_open(&file, RECORDED, &err) || ffcl_lapack_open(&lapack, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ffcl_tensor_file_close(&file);
    ffcl_lapack_close(&lapack);
    return failed;
}
