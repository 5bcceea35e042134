/* SPDX-License-Identifier: MIT
 * Rule 0: clamp(127.5 x + 128, 0, 255), rule 1: clamp(255 (x + 1) / 2, 0, 255), truncated; rule 2:
 * as 1, but rounded half to even.  Each
 * operation rounds to float as torch's do, so that bytes are equal and not merely close; hence
 * float here and one operation a statement, which no compiler may fuse.
 * bad[b] = before[b] | 1 where a value of x[b] is infinite or NaN. */
#include <math.h>

#include "ref.h"

void ffcl_ref_image_bytes(double *out, const float *x, int rule, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v;
        if (rule == 0) {
            v = 127.5f * x[i];
            v = v + 128.0f;
        } else {
            v = x[i] + 1.0f;
            v = 255.0f * v;
            v = v / 2.0f;
        }
        v = fminf(fmaxf(v, 0.0f), 255.0f);
        out[i] = rule == 2 ? nearbyint((double)v) : floor((double)v);
    }
}

void ffcl_ref_image_finite(double *out, const int32_t *before, const float *x, size_t B,
                           size_t each)
{
    for (size_t b = 0; b < B; b++) {
        int bad = 0;
        for (size_t i = 0; i < each; i++)
            if (!isfinite(x[b * each + i]))
                bad = 1;
        out[b] = (double)(before[b] | bad);
    }
}

void ffcl_ref_image_channels_last(double *out, const float *x, size_t B, size_t C, size_t P)
{
    for (size_t b = 0; b < B; b++)
        for (size_t p = 0; p < P; p++)
            for (size_t c = 0; c < C; c++)
                out[(b * P + p) * C + c] = (double)x[(b * C + c) * P + p];
}
