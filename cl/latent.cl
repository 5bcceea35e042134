/* SPDX-License-Identifier: MIT
 * Between SiT and VAE.  One work-item an element. */

/* latent[e] = z[e] + sign F[e]: the one-step flow map z + delta F(z, delta) at delta = 1
 * (FreeFlow, arXiv 2511.19428); bad[b] becomes 1 where one of the `each` values of latent b is
 * infinite or NaN. */
__kernel void latent_update_f32(__global float *latent, __global int *bad, __global const float *z,
                                __global const float *F, float sign, int each, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    float v = z[e] + sign * F[e];
    latent[e] = v;
    if (!isfinite(v))
        atomic_or(&bad[e / each], 1);
}
