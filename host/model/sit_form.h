/* SPDX-License-Identifier: MIT
 * What a transformer's blocks are made of, read off the names of its tensors: SiT's own, and what
 * LightningDiT, DMF, iMF and pMF have in their place. */
#ifndef FFCL_MODEL_SIT_FORM_H
#define FFCL_MODEL_SIT_FORM_H

#include "model/weights.h"

/* By what q and k are turned: nothing, a token's place in the sequence, a patch's row and
 * column. */
typedef enum ffcl_rope { FFCL_ROPE_NONE, FFCL_ROPE_SEQUENCE, FFCL_ROPE_PATCHES } ffcl_rope;

typedef struct ffcl_sit_form {
    ffcl_norm_kind norm;        /* LAYER without parameters, or RMS with a weight */
    ffcl_norm_kind qk_norm;     /* of each head: NONE, RMS with a weight, LAYER with both */
    ffcl_rope rope;
    int swiglu;                 /* else GELU */
    int separate;               /* matrices of their own for q, k and v, and for gate and value */
                                /* of SwiGLU; no linear layer of a block has a bias */
    size_t chunks;              /* of a block's modulation: 6, or 4, without shifts; 0: there is */
                                /* none, but a gain for each channel in place of the gates */
    size_t shared;              /* blocks called shared_blocks.N, the others u_heads.N; 0: all */
                                /* are blocks.N */
    size_t bottleneck;          /* channels between two patch embeddings; 0: there is one */
    size_t kinds;               /* prefix tokens for the class and for `kinds` scalars, a token */
    size_t ends[FFCL_TOKEN_KINDS];      /* kind after the other: ffcl_tokens_desc; 0: none */
} ffcl_sit_form;

/* Their number. */
static inline size_t ffcl_sit_form_prefix(const ffcl_sit_form *form)
{
    return form->kinds ? form->ends[form->kinds] : 0;
}

/* The tensor of the class's tokens (k 0) or of scalar k - 1's, and the embedder of that. */
extern const char *const ffcl_sit_token_names[];
extern const char *const ffcl_sit_token_embedders[];

/* FFCL_EWEIGHTS where the tensors are none of these.  Marks tensors that are not needed. */
int ffcl_sit_form_derive(ffcl_sit_form *form, ffcl_weights *w, ffcl_error *err);

/* What block i is called. */
void ffcl_sit_block_name(const ffcl_sit_form *form, size_t i, char *name, size_t size);

/* rope (n + G*G, Dh): cos and sin of each pair's angle, alternating, after n prefix tokens.  A pair
 * j turns by pos * 10000^(-2j/Dh) (Su et al., RoFormer); of patches the first half of the pairs by
 * row * 10000^(-j/(Dh/4)), the other by column, and prefix tokens not at all. */
void ffcl_rope_table(float *rope, ffcl_rope kind, size_t n, size_t G, size_t Dh);

/* rope (T, Dh) by feat_rope.freqs_cos and freqs_sin of the file, where it has them. */
int ffcl_rope_from_file(float *rope, const ffcl_weights *w, size_t T, size_t Dh, ffcl_error *err);

#endif
