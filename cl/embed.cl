/* SPDX-License-Identifier: MIT
 * Conditioning inputs (SiT models.py, TimestepEmbedder and LabelEmbedder).  One item an element. */

/* out[b][i] = cos(t[b] f_i), out[b][128 + i] = sin(t[b] f_i), f_i = 10000^(-i/128), i < 128.
 * t (B), out (B, 256). */
__kernel void embed_scalar_f32(__global float *out, __global const float *t, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int i = e & 127;
    float angle = t[e >> 8] * exp(-9.210340371976184f * i / 128.0f);
    out[e] = (e & 128) ? sin(angle) : cos(angle);
}

/* out[b] = table[y[b]]: table (classes + 1, D), out (B, D); n = B * D. */
__kernel void embed_label_f32(__global float *out, __global const float *table,
                              __global const int *y, int D, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int b = e / D;
    out[e] = table[(size_t)y[b] * D + (e - b * D)];
}

/* out[e] = silu(c[e]) */
__kernel void embed_silu(__global act *out, __global const float *c, int n)
{
    int e = get_global_id(0);
    if (e < n)
        STORE_ACT(out, e, silu(c[e]));
}
