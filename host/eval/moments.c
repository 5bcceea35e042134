/* SPDX-License-Identifier: MIT */
#include "eval/moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

static int no_memory(ffcl_error *err)
{
    return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the statistics of features");
}

int ffcl_moments_open(ffcl_moments **out, size_t D, ffcl_error *err)
{
    ffcl_moments *m = *out = calloc(1, sizeof *m);
    if (!m)
        return no_memory(err);
    m->D = D;
    m->mean = calloc(D, sizeof *m->mean);
    m->squares = calloc(D * D, sizeof *m->squares);
    m->block = calloc((FFCL_MOMENTS_BLOCK + 1) * D, sizeof *m->block);
    m->closed = calloc((FFCL_MOMENTS_BLOCK + 1) * D, sizeof *m->closed);
    if (m->mean && m->squares && m->block && m->closed)
        return 0;
    ffcl_moments_close(out);
    return no_memory(err);
}

void ffcl_moments_close(ffcl_moments **moments)
{
    ffcl_moments *m = *moments;
    if (m) {
        free(m->mean);
        free(m->squares);
        free(m->block);
        free(m->closed);
    }
    free(m);
    *moments = NULL;
}

int ffcl_moments_put(ffcl_moments *m, const float *x)
{
    double *to = m->block + m->waiting * m->D;
    for (size_t c = 0; c < m->D; c++)
        to[c] = (double)x[c];
    return ++m->waiting == FFCL_MOMENTS_BLOCK;
}

void ffcl_moments_close_block(ffcl_moments *m)
{
    double *block = m->closed;
    m->closed = m->block;
    m->block = block;
    m->n_closed = m->waiting;
    m->waiting = 0;
}

/* Chan, Golub, LeVeque 1979: the rows' own squares around their own mean, and as one more row the
 * way between both means. */
void ffcl_moments_merge(ffcl_moments *m, const ffcl_lapack *lapack)
{
    const size_t D = m->D, k = m->n_closed;
    const double n = (double)m->n, more = (double)k;
    double *way = m->closed + k * D;
    for (size_t c = 0; c < D; c++) {
        double sum = 0.0;
        for (size_t r = 0; r < k; r++)
            sum += m->closed[r * D + c];
        way[c] = sum / more;
    }
    for (size_t r = 0; r < k; r++)
        for (size_t c = 0; c < D; c++)
            m->closed[r * D + c] -= way[c];
    for (size_t c = 0; c < D; c++) {
        const double apart = way[c] - m->mean[c];
        m->mean[c] += apart * (more / (n + more));
        way[c] = apart * sqrt(n * more / (n + more));
    }
    ffcl_lapack_add_squares(lapack, m->squares, m->closed, k + 1, D);
    m->n += k;
    m->n_closed = 0;
}

static void merge_now(ffcl_moments *m, const ffcl_lapack *lapack)
{
    ffcl_moments_close_block(m);
    ffcl_moments_merge(m, lapack);
}

void ffcl_moments_add(ffcl_moments *m, const ffcl_lapack *lapack, const float *x, size_t n)
{
    for (size_t r = 0; r < n; r++)
        if (ffcl_moments_put(m, x + r * m->D))
            merge_now(m, lapack);
}

void ffcl_moments_end(ffcl_moments *m, const ffcl_lapack *lapack)
{
    if (m->waiting)
        merge_now(m, lapack);
}

int ffcl_moments_of(ffcl_moments **out, size_t D, size_t n, const double *mean,
                    const double *covariance, ffcl_error *err)
{
    int rc = ffcl_moments_open(out, D, err);
    if (rc)
        return rc;
    ffcl_moments *m = *out;
    m->n = n;
    memcpy(m->mean, mean, D * sizeof *mean);
    for (size_t i = 0; i < D * D; i++)
        m->squares[i] = covariance[i] * (double)(n - 1);
    return 0;
}

void ffcl_moments_covariance(const ffcl_moments *m, double *covariance)
{
    const size_t D = m->D;
    const double factor = 1.0 / (double)(m->n - 1);
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j <= i; j++)
            covariance[i * D + j] = covariance[j * D + i] = m->squares[j * D + i] * factor;
}

/* root = V diag(sqrt(values)) V^T, columns: V of the covariance in `root`; by way of spare. */
static int root_of(double *root, double *spare, double *other, size_t D,
                   const ffcl_lapack *lapack, ffcl_error *err)
{
    double *values = malloc(D * sizeof *values);
    int rc = values ? ffcl_lapack_eigen(lapack, root, D, 1, values, err) : no_memory(err);
    if (rc == 0) {
        /* spare = diag(values^1/4) V^T: its square is the root. */
        for (size_t i = 0; i < D; i++)
            for (size_t j = 0; j < D; j++)
                spare[j * D + i] = root[i * D + j] * sqrt(sqrt(fmax(values[i], 0.0)));
        memcpy(other, spare, D * D * sizeof *other);
        ffcl_lapack_multiply(lapack, root, spare, other, D, 1);
    }
    free(values);
    return rc;
}

static double trace_of(const double *covariance, size_t D)
{
    double sum = 0.0;
    for (size_t i = 0; i < D; i++)
        sum += covariance[i * D + i];
    return sum;
}

/* The sum of the roots of the eigenvalues of sqrt(A) B sqrt(A); all three are overwritten. */
static int root_trace(double *out, double *A, double *B, double *spare, size_t D,
                      const ffcl_lapack *lapack, ffcl_error *err)
{
    double *values = malloc(D * sizeof *values), *more = malloc(D * D * sizeof *more);
    int rc = values && more ? root_of(A, spare, more, D, lapack, err) : no_memory(err);
    if (rc == 0) {
        ffcl_lapack_multiply(lapack, spare, A, B, D, 0);
        ffcl_lapack_multiply(lapack, B, spare, A, D, 0);
        rc = ffcl_lapack_eigen(lapack, B, D, 0, values, err);
    }
    *out = 0.0;
    for (size_t i = 0; rc == 0 && i < D; i++)
        *out += sqrt(fmax(values[i], 0.0));
    free(values);
    free(more);
    return rc;
}

int ffcl_moments_distance(double *out, const ffcl_moments *a, const ffcl_moments *b,
                          const ffcl_lapack *lapack, ffcl_error *err)
{
    const size_t D = a->D;
    double *A = malloc(3 * D * D * sizeof *A), root = 0.0, means = 0.0;
    if (!A)
        return no_memory(err);
    double *B = A + D * D, *spare = B + D * D;
    ffcl_moments_covariance(a, A);
    ffcl_moments_covariance(b, B);
    for (size_t c = 0; c < D; c++)
        means += (a->mean[c] - b->mean[c]) * (a->mean[c] - b->mean[c]);
    const double traces = trace_of(A, D) + trace_of(B, D);
    int rc = 0;
    if (!(traces < 1e150 && means < 1e300))
        rc = ffcl_fail(err, FFCL_ENUMERIC, "the statistics' distance is beyond what "
                       "double holds: they have numbers above 1e150");
    if (rc == 0)
        rc = root_trace(&root, A, B, spare, D, lapack, err);
    const double distance = means + traces - 2.0 * root;
    *out = distance < 0.0 ? 0.0 : distance;     /* by rounding alone; NaN stays */
    free(A);
    return rc;
}
