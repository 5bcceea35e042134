/* SPDX-License-Identifier: MIT
 * out[i] = 16 sum over j = 0 .. 7 of v_j after `rounds` steps v = v times + plus, from
 * v_j = in[i] + j / 16. */
#include "ref.h"

void ffcl_ref_ceiling_fma(double *out, const float *in, double times, double plus, size_t rounds,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = 0.0;
        for (size_t j = 0; j < 8; j++) {
            double v = (double)in[i] + (double)j / 16.0;
            for (size_t r = 0; r < rounds; r++)
                v = v * times + plus;
            out[i] += 16.0 * v;
        }
    }
}
