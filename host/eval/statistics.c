/* SPDX-License-Identifier: MIT */
#include "eval/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/inception.h"
#include "util.h"

/* What has so many features, for the sentence on others. */
static const char *layer_of(size_t D)
{
    return D == FFCL_INCEPTION_CLASSES  ? " (1008 are the logits)"
           : D == FFCL_INCEPTION_SPATIAL ? " (2023 are sFID's)"
           : D == FFCL_INCEPTION_POOL    ? " (2048 are FID's)"
                                         : "";
}

static int check_shapes(const ffcl_arrays *file, const ffcl_array *mu, const ffcl_array *sigma,
                        size_t D, ffcl_error *err)
{
    const char *path = ffcl_arrays_path(file);
    if (!mu || !sigma)
        return ffcl_fail(err, FFCL_EFORMAT, "%s has only one of mean and covariance: no %s", path,
                         !mu ? "mean" : "covariance");
    if (mu->rank != 1 || sigma->rank != 2 || sigma->shape[0] != mu->shape[0] ||
        sigma->shape[1] != mu->shape[0])
        return ffcl_fail(err, FFCL_EFORMAT, "%s: %s and %s are no mean (D) and covariance (D, D)",
                         path, mu->name, sigma->name);
    if (mu->shape[0] != D)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: %s has %zu features%s, and the network gives %zu "
                         "there: they are of another network or layer", path, mu->name,
                         mu->shape[0], layer_of(mu->shape[0]), D);
    return 0;
}

static int check_values(const ffcl_arrays *file, const double *mean, const double *covariance,
                        size_t D, ffcl_error *err)
{
    double sum = 0.0, apart = 0.0, most = 0.0, least = 0.0;
    for (size_t i = 0; i < D; i++) {
        sum += mean[i];
        least = fmin(least, covariance[i * D + i]);
    }
    for (size_t i = 0; i < D * D; i++) {
        sum += covariance[i];
        most = fmax(most, fabs(covariance[i]));
        apart = fmax(apart, fabs(covariance[i] - covariance[i % D * D + i / D]));
    }
    if (!isfinite(sum))
        return ffcl_fail(err, FFCL_EFORMAT, "%s holds a number that is not finite",
                         ffcl_arrays_path(file));
    if (apart > 1e-3 * most)
        return ffcl_fail(err, FFCL_EFORMAT, "%s holds a covariance that is not symmetric",
                         ffcl_arrays_path(file));
    if (least < -1e-3 * most)
        return ffcl_fail(err, FFCL_EFORMAT, "%s holds a covariance with a negative variance",
                         ffcl_arrays_path(file));
    return 0;
}

/* FFCL_EFORMAT where the array is there, but of no kind that is read. */
static int check_read(const ffcl_arrays *file, const char *name, ffcl_error *err)
{
    const char *header = ffcl_arrays_left_out(file, name);
    return header ? ffcl_fail(err, FFCL_EFORMAT, "%s: %s is an array %s, and mean and covariance "
                              "are real numbers (numpy.float64)", ffcl_arrays_path(file), name,
                              header)
                  : 0;
}

/* *out stays NULL where neither array is there. */
static int load(ffcl_moments **out, ffcl_arrays *file, const char *mu_name,
                const char *sigma_name, size_t D, size_t n, ffcl_error *err)
{
    const ffcl_array *mu = ffcl_arrays_find(file, mu_name);
    const ffcl_array *sigma = ffcl_arrays_find(file, sigma_name);
    double *mean = NULL, *covariance = NULL;
    int rc = check_read(file, mu_name, err);
    if (rc == 0)
        rc = check_read(file, sigma_name, err);
    if (rc || (!mu && !sigma))
        return rc;
    rc = check_shapes(file, mu, sigma, D, err);
    if (rc == 0)
        rc = ffcl_arrays_doubles(file, mu, &mean, err);
    if (rc == 0)
        rc = ffcl_arrays_doubles(file, sigma, &covariance, err);
    if (rc == 0)
        rc = check_values(file, mean, covariance, D, err);
    if (rc == 0)
        rc = ffcl_moments_of(out, D, n > 1 ? n : 2, mean, covariance, err);
    free(mean);
    free(covariance);
    return rc;
}

/* A text of bytes. */
static int load_text(char *to, size_t size, ffcl_arrays *file, const char *name, ffcl_error *err)
{
    const ffcl_array *a = ffcl_arrays_find(file, name);
    if (!a || a->item != 1 || a->count >= size)
        return 0;
    int rc = ffcl_arrays_rewind(file, a, err);
    return rc ? rc : ffcl_arrays_read(file, to, a->count, err);
}

int ffcl_statistics_load(ffcl_statistics *s, ffcl_arrays *file, ffcl_error *err)
{
    const ffcl_array *n = ffcl_arrays_find(file, "n");
    double *count = NULL;
    int rc = 0;
    *s = (ffcl_statistics){.n = 0};
    if (n && n->count == 1) {
        rc = ffcl_arrays_doubles(file, n, &count, err);
        s->n = rc == 0 && *count >= 1 && *count < 1e12 ? (size_t)*count : 0;
        free(count);
    }
    if (rc == 0)
        rc = load(&s->pool, file, "mu", "sigma", FFCL_INCEPTION_POOL, s->n, err);
    if (rc == 0 && !s->pool)
        rc = load(&s->pool, file, "ref_mu", "ref_sigma", FFCL_INCEPTION_POOL, s->n, err);
    if (rc == 0)
        rc = load(&s->spatial, file, "mu_s", "sigma_s", FFCL_INCEPTION_SPATIAL, s->n, err);
    if (rc == 0)
        rc = load_text(s->inception, sizeof s->inception, file, "inception", err);
    if (rc == 0)
        rc = load_text(s->like, sizeof s->like, file, "like", err);
    if (rc == 0)
        rc = load_text(s->precision, sizeof s->precision, file, "precision", err);
    if (rc)
        ffcl_statistics_close(s);
    return rc;
}

void ffcl_statistics_close(ffcl_statistics *s)
{
    ffcl_moments_close(&s->pool);
    ffcl_moments_close(&s->spatial);
}

int ffcl_statistics_save(const char *path, const ffcl_moments *pool, const ffcl_moments *spatial,
                         const ffcl_statistics *made, ffcl_error *err)
{
    const size_t P = pool->D, S = spatial->D;
    const double n = (double)pool->n;
    double *sigma = malloc((P * P + S * S) * sizeof *sigma);
    if (!sigma)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    ffcl_moments_covariance(pool, sigma);
    ffcl_moments_covariance(spatial, sigma + P * P);
    const ffcl_array_out arrays[] = {
        {.name = "mu", .rank = 1, .shape = {P}, .doubles = pool->mean},
        {.name = "sigma", .rank = 2, .shape = {P, P}, .doubles = sigma},
        {.name = "mu_s", .rank = 1, .shape = {S}, .doubles = spatial->mean},
        {.name = "sigma_s", .rank = 2, .shape = {S, S}, .doubles = sigma + P * P},
        {.name = "n", .rank = 0, .doubles = &n},
        {.name = "inception", .rank = 1, .text = made->inception},
        {.name = "like", .rank = 1, .text = made->like},
        {.name = "precision", .rank = 1, .text = made->precision},
    };
    int rc = ffcl_arrays_write(path, arrays, sizeof arrays / sizeof *arrays, err);
    free(sigma);
    return rc;
}
