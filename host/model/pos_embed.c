/* SPDX-License-Identifier: MIT */
#include "model/pos_embed.h"

#include <math.h>

void ffcl_pos_embed(float *out, size_t D, size_t G)
{
    size_t quarter = D / 4;
    for (size_t y = 0; y < G; y++)
        for (size_t x = 0; x < G; x++) {
            float *row = out + (y * G + x) * D;
            for (size_t i = 0; i < quarter; i++) {
                double w = pow(10000.0, -(double)i / (double)quarter);
                row[i] = (float)sin((double)x * w);
                row[quarter + i] = (float)cos((double)x * w);
                row[2 * quarter + i] = (float)sin((double)y * w);
                row[3 * quarter + i] = (float)cos((double)y * w);
            }
        }
}
