/* SPDX-License-Identifier: MIT
 * The fixed sine-cosine position embedding (SiT models.py, get_2d_sincos_pos_embed). */
#ifndef FFCL_MODEL_POS_EMBED_H
#define FFCL_MODEL_POS_EMBED_H

#include <stddef.h>

/* out (G*G, D): row (y, x) is [sin(x w) | cos(x w) | sin(y w) | cos(y w)] with
 * w_i = 10000^(-i / (D/4)), i < D/4, computed in double.  D is a multiple of 4. */
void ffcl_pos_embed(float *out, size_t D, size_t G);

#endif
