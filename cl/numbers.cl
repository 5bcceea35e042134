/* SPDX-License-Identifier: MIT
 * What the self-check of a device's numbers runs (host/selfcheck/numbers.c): all stores to half
 * that kernels use, and functions whose accuracy OpenCL leaves to the device. */
#include "silu8.clh"

/* Elements i to i + 15 of x, i a multiple of 16, rounded to half by each store; out has n elements
 * for each of scalars and vectors of 2, 4, 8 and 16.  One work-item 16 elements; global (n / 16
 * rounded up). */
__kernel void numbers_half(__global act *out, __global const float *x, int n)
{
    int at = get_global_id(0);
    if (at >= n / 16)
        return;
    for (int i = at * 16; i < at * 16 + 16; i++)
        STORE_ACT(out, i, x[i]);
    for (int i = at * 4; i < at * 4 + 4; i++)
        STORE_ACT4(out + 2 * n, (size_t)i * 4, vload4(i, x));
    for (int i = at * 2; i < at * 2 + 2; i++)
        STORE_ACT8(out + 3 * n, (size_t)i * 8, vload8(i, x));
#ifdef HALF
    for (int i = at * 8; i < at * 8 + 8; i++)
        STORE_HALF2(vload2(i, x), i, out + n);
    STORE_HALF16(vload16(at, x), at, out + 4 * n);
#endif
}

/* out = silu8(x).  One work-item eight elements; global (n / 8 rounded up). */
__kernel void numbers_silu(__global float *out, __global const float *x, int n)
{
    int at = get_global_id(0);
    if (at >= n / 8)
        return;
    vstore8(silu8(vload8(at, x)), at, out);
}
