/* SPDX-License-Identifier: MIT
 * out[m][n] = v, where v = act(sum_k A[m][k] W[k][n] + bias[n]), then v *= gate[m / gate_rows][n],
 * then v += add[m % add_rows][n].  GELU in its tanh form. */
#include <math.h>

#include "ref.h"

static double at(const ffcl_ref_matrix *x, size_t i, size_t j)
{
    return (double)x->x[i * x->row + j * x->col];
}

static double finish(double v, const ffcl_ref_epilogue *e, size_t m, size_t n)
{
    const double pi = 3.14159265358979323846;
    if (e->bias)
        v += (double)e->bias[n];
    if (e->act == 1)
        v = v / (1.0 + exp(-v));
    else if (e->act == 2)
        v = 0.5 * v * (1.0 + tanh(sqrt(2.0 / pi) * (v + 0.044715 * v * v * v)));
    else if (e->act == 3)
        v = v > 0.0 ? v : 0.0;
    if (e->gate.x)
        v *= at(&e->gate, m / e->gate_rows, n);
    if (e->add.x)
        v += at(&e->add, m % e->add_rows, n);
    return v;
}

void ffcl_ref_gemm(double *out, ffcl_ref_matrix a, ffcl_ref_matrix w, const ffcl_ref_epilogue *e,
                   size_t M, size_t N, size_t K)
{
    for (size_t m = 0; m < M; m++) {
        double *row = out + m * N;
        for (size_t n = 0; n < N; n++)
            row[n] = 0.0;
        for (size_t k = 0; k < K; k++)
            for (size_t n = 0; n < N; n++)
                row[n] += at(&a, m, k) * at(&w, k, n);
        for (size_t n = 0; n < N; n++)
            row[n] = finish(row[n], e, m, n);
    }
}

double ffcl_ref_gemm_at(ffcl_ref_matrix a, ffcl_ref_matrix w, const ffcl_ref_epilogue *e, size_t N,
                        size_t K, size_t index)
{
    const size_t m = index / N, n = index % N;
    double sum = 0.0;
    for (size_t k = 0; k < K; k++)
        sum += at(&a, m, k) * at(&w, k, n);
    return finish(sum, e, m, n);
}
