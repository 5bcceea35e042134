/* SPDX-License-Identifier: MIT
 * Conditioning inputs (SiT models.py, TimestepEmbedder and LabelEmbedder).  One work-item an
 * element. */

/* Sinusoidal embedding: out[b][i] = cos(t[b] f_i), out[b][128 + i] = sin(t[b] f_i),
 * f_i = 10000^(-i/128), i < 128.  t (B), out (B, 256), n = B * 256. */
__kernel void embed_scalar_f32(__global float *out, __global const float *t, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int i = e & 127;
    float angle = t[e >> 8] * exp(-9.210340371976184f * i / 128.0f);
    out[e] = (e & 128) ? sin(angle) : cos(angle);
}

/* out[b] = silu(table[y[b]] + sum[b mod rows]): table (classes + 1, D), sum (rows, D) from element
 * sum_at, not read where rows is 0, y (B), out (B, D); n = B * D. */
__kernel void embed_condition(__global act *out, __global const float *table,
                              __global const int *y, __global const float *sum, int sum_at,
                              int rows, int D, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int b = e / D, d = e - b * D;
    float c = table[(size_t)y[b] * D + d];
    if (rows)
        c += sum[(size_t)sum_at + (size_t)(b % rows) * D + d];
    STORE_ACT(out, e, silu(c));
}
