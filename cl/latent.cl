/* SPDX-License-Identifier: MIT
 * Between SiT and VAE.  One item an element. */

/* latent[e] = z[e] + sign F[e]: the one-step flow map z + delta F(z, delta) at delta = 1
 * (FreeFlow, arXiv 2511.19428). */
__kernel void latent_update_f32(__global float *latent, __global const float *z,
                                __global const float *F, float sign, int n)
{
    int e = get_global_id(0);
    if (e < n)
        latent[e] = z[e] + sign * F[e];
}

/* out[b][p][c] = latent[first + b][c][p] * factor: (B, C, P) to (B, P, C), P = R*R pixels;
 * at = first * C * P; n = B*P*C. */
__kernel void latent_to_pixels_f32(__global float *out, __global const float *latent, int at,
                                   float factor, int C, int P, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int c = e % C, pixel = e / C;
    int b = pixel / P, p = pixel - b * P;
    out[e] = latent[(size_t)at + ((size_t)b * C + c) * P + p] * factor;
}
