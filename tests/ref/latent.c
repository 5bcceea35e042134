/* SPDX-License-Identifier: MIT
 * latent = z + sign F;  out[b][p][c] = latent[first + b][c][p] * factor. */
#include "ref.h"

void ffcl_ref_latent_update(double *out, const float *z, const float *F, double sign, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)z[i] + sign * (double)F[i];
}

void ffcl_ref_latent_to_pixels(double *out, const float *latent, size_t first, float factor,
                               size_t B, size_t C, size_t P)
{
    for (size_t b = 0; b < B; b++)
        for (size_t p = 0; p < P; p++)
            for (size_t c = 0; c < C; c++)
                out[(b * P + p) * C + c] =
                    (double)latent[((first + b) * C + c) * P + p] * (double)factor;
}
