/* SPDX-License-Identifier: MIT
 * Between SiT and VAE.  One work-item an element. */

/* out[e] = cx x[e] + cy y[e] + cF F[e] + cn noise[e], where terms 1, 2 and 4 say whether y, F and
 * noise are there: a step of a sampler; z + F of the one-step flow map z + delta F(z, delta) at
 * delta = 1 (FreeFlow, arXiv 2511.19428).  out may be x or y.  bad[b] becomes 1 where one of the
 * `each` values of latent b is infinite or NaN. */
__kernel void latent_update_f32(__global float *out, __global int *bad, __global const float *x,
                                float cx, __global const float *y, float cy,
                                __global const float *F, float cF, __global const float *noise,
                                float cn, int terms, int each, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    float v = cx * x[e];
    if (terms & 1)
        v += cy * y[e];
    if (terms & 2)
        v += cF * F[e];
    if (terms & 4)
        v += cn * noise[e];
    out[e] = v;
    if (!isfinite(v))
        atomic_or(&bad[e / each], 1);
}

/* Classifier-free guidance: F (2, B, C, P) with the class and with the null class; out (B, C, P),
 * which may be the first half of F, = null + scale (class - null) in the first `guided` channels,
 * else class; n = B * C * P. */
__kernel void latent_guide_f32(__global float *out, __global const float *F, float scale,
                               int guided, int C, int P, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    float c = F[e], u = F[(size_t)n + e];
    out[e] = e / P % C < guided ? u + scale * (c - u) : c;
}

/* out = x table[c] + table[C + c], all (B, C, P): what the decoder gets where each channel c has a
 * mean and a deviation of its own; n = B * C * P.  x begins at element x_at. */
__kernel void latent_affine_f32(__global float *out, __global const float *x, int x_at,
                                __global const float *table, int C, int P, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int c = e / P % C;
    out[e] = x[(size_t)x_at + e] * table[c] + table[C + c];
}
