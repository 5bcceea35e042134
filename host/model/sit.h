/* SPDX-License-Identifier: MIT
 * SiT: the transformer that maps noise, time and class to F (SiT models.py and
 * docs/architecture.md). */
#ifndef FFCL_MODEL_SIT_H
#define FFCL_MODEL_SIT_H

#include "config.h"
#include "model/tap.h"
#include "model/weights.h"

/* The architecture, read off the tensors' shapes. */
typedef struct ffcl_sit_dims {
    size_t D, L, H, Dh, mlp;        /* width, blocks, heads, head size, hidden units of the MLP */
    size_t p, G, T, R;              /* patch side, patches a side, patches, latent side */
    size_t N;                       /* tokens: the patches, and prefix tokens before them */
    size_t C, Cout;                 /* latent channels; output channels before dropping sigma */
    size_t rows;                    /* of the label table */
    size_t classes;                 /* labels 0 .. classes-1; where rows is more, the last row is
                                       the null class */
    size_t embedders;               /* scalar embedders */
    size_t split;                   /* blocks from here on, and the final layer, have second */
                                    /* inputs; SIZE_MAX: there are none */
} ffcl_sit_dims;

/* What no file tells, used where cfg and the published sizes leave it open; 0: not known. */
typedef struct ffcl_sit_hints {
    size_t heads, split, side;      /* side: of the latent */
} ffcl_sit_hints;

typedef struct ffcl_sit ffcl_sit;

/* Reads the directory of cfg's checkpoint, derives and checks the architecture, maps the scalar
 * embedders.  No device is needed.  cfg's preset is resolved (model/family.h).  FFCL_EWEIGHTS,
 * FFCL_ECONFIG and the file errors. */
int ffcl_sit_open(ffcl_sit **out, const ffcl_config *cfg, const ffcl_sit_hints *hints,
                  ffcl_error *err);
void ffcl_sit_close(ffcl_sit **sit);

const ffcl_sit_dims *ffcl_sit_dims_of(const ffcl_sit *sit);
const ffcl_tensor_file *ffcl_sit_file(const ffcl_sit *sit);

/* What the names in the file begin with. */
const char *ffcl_sit_prefix(const ffcl_sit *sit);

/* Which tensors it has, see ffcl_weights_describe. */
void ffcl_sit_describe(const ffcl_sit *sit, char *text, size_t size);

/* Embedder i: its prefix and what feeds it. */
const ffcl_condition *ffcl_sit_condition(const ffcl_sit *sit, size_t i);

/* Bytes of weights on the device, and of the largest buffer of them. */
size_t ffcl_sit_bytes(const ffcl_sit *sit);
size_t ffcl_sit_largest_bytes(const ffcl_sit *sit);
/* Of those, bytes that are used where they lie in the file; after ffcl_sit_prepare. */
size_t ffcl_sit_mapped_bytes(const ffcl_sit *sit, const ffcl_ctx *ctx);

/* Chooses how the blocks' weights and activations are stored, float32 or half, and splits the
 * modulation weights so that no buffer exceeds the device's limit; before load and forward.  The
 * residual stream, norms, softmax and everything outside the blocks stay float32. */
int ffcl_sit_prepare(ffcl_sit *sit, ffcl_ctx *ctx, ffcl_dtype dtype);
int ffcl_sit_load(ffcl_sit *sit, ffcl_ctx *ctx, uint64_t *done, uint64_t total);

/* Inputs of the embedders: as many again where there are second inputs. */
size_t ffcl_sit_inputs(const ffcl_sit *sit);

/* Fixes what the embedders are fed with at each of the moments, for every image of later passes
 * without scalars: values (inputs, moments), those of second inputs last.  Takes part in planning,
 * as a pass of its own; after load. */
int ffcl_sit_fix(ffcl_sit *sit, ffcl_ctx *ctx, const float *values, size_t moments);

/* Forgets them, so that others can be fixed. */
void ffcl_sit_unfix(ffcl_sit *sit);

/* out (B, C, R*R) = F(z, scalars, y): z (B, C, R*R), y (B, 1, 1) int32 labels, scalars[i] (B, 1, 1)
 * the value of input i; scalars NULL: the fixed values of the moment.  tap may be NULL. */
void ffcl_sit_forward(ffcl_sit *sit, ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *z,
                      const ffcl_tensor *y, const ffcl_tensor *scalars, size_t moment,
                      const ffcl_tap *tap);

#endif
