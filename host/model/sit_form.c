/* SPDX-License-Identifier: MIT */
#include "model/sit_form.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const ffcl_sit_token_names[] = {"class_tokens", "omega_tokens", "t_min_tokens",
                                            "t_max_tokens", "time_tokens", NULL};
const char *const ffcl_sit_token_embedders[] = {"omega_embedder", "cfg_t_start_embedder",
                                                "cfg_t_end_embedder", "h_embedder", NULL};

void ffcl_sit_block_name(const ffcl_sit_form *form, size_t i, char *name, size_t size)
{
    if (!form->shared)
        snprintf(name, size, "blocks.%zu", i);
    else if (i < form->shared)
        snprintf(name, size, "shared_blocks.%zu", i);
    else
        snprintf(name, size, "u_heads.%zu", i - form->shared);
}

/* Counts the tokens of each kind, which lie as (n, D) or (1, n, D). */
static int count_tokens(ffcl_sit_form *form, const ffcl_weights *w, ffcl_error *err)
{
    enum { MOST = 1024 };
    size_t end = 0;
    for (size_t k = 0; ffcl_sit_token_names[k]; k++) {
        const ffcl_tensor_info *info = ffcl_weights_find(w, "%s", ffcl_sit_token_names[k]);
        const size_t n = info && (info->rank == 2 || info->rank == 3) ? info->shape[info->rank - 2]
                                                                      : 0;
        if (n == 0 || n > MOST)
            return ffcl_fail(err, FFCL_EWEIGHTS, "%s has class_tokens, but %s is missing or of "
                             "impossible size", ffcl_tensor_file_path(w->file),
                             ffcl_sit_token_names[k]);
        end += n;
        form->ends[k] = end;
        form->kinds = k;
    }
    return 0;
}

/* The chunks of a block's modulation, from its matrix (chunks * D, D). */
static int count_chunks(ffcl_sit_form *form, const ffcl_weights *w, const char *block,
                        ffcl_error *err)
{
    const ffcl_tensor_info *info = ffcl_weights_find(w, "%s.adaLN_modulation.1.weight", block);
    if (!info && ffcl_weights_has(w, "%s.attn_scale", block))
        return 0;
    if (info && info->rank == 2 && info->shape[1])
        form->chunks = info->shape[0] / info->shape[1];
    if (form->chunks == 6 || form->chunks == 4)
        return 0;
    return ffcl_fail(err, FFCL_EWEIGHTS, "%s is no SiT checkpoint: %s.adaLN_modulation.1.weight is "
                     "missing, or does not have 6 or 4 times as many rows as columns%s",
                     ffcl_tensor_file_path(w->file), block,
                     ffcl_weights_remedy(w, "model.checkpoint"));
}

int ffcl_sit_form_derive(ffcl_sit_form *form, ffcl_weights *w, ffcl_error *err)
{
    char block[64];
    *form = (ffcl_sit_form){.norm = FFCL_NORM_LAYER, .qk_norm = FFCL_NORM_NONE};
    while (ffcl_weights_has(w, "shared_blocks.%zu.", form->shared))
        form->shared++;
    ffcl_sit_block_name(form, 0, block, sizeof block);
    if (ffcl_weights_has(w, "%s.norm1.weight", block))
        form->norm = FFCL_NORM_RMS;
    if (ffcl_weights_has(w, "%s.attn.q_norm.", block))
        form->qk_norm = ffcl_weights_has(w, "%s.attn.q_norm.bias", block) ? FFCL_NORM_LAYER
                                                                          : FFCL_NORM_RMS;
    form->separate = ffcl_weights_has(w, "%s.attn.q_proj.", block);
    form->swiglu = ffcl_weights_has(w, "%s.mlp.w12.", block) ||
                   ffcl_weights_has(w, "%s.mlp.w1.", block);
    const ffcl_tensor_info *narrow = ffcl_weights_find(w, "x_embedder.proj1.weight");
    form->bottleneck = narrow ? narrow->shape[0] : 0;
    int rc = count_chunks(form, w, block, err);
    if (rc == 0 && ffcl_weights_has(w, "class_tokens"))
        rc = count_tokens(form, w, err);
    /* Of the two with prefix tokens iMF turns by the place in the sequence. */
    if (ffcl_weights_has(w, "feat_rope.") || (form->kinds && form->bottleneck))
        form->rope = FFCL_ROPE_PATCHES;
    else if (form->kinds)
        form->rope = FFCL_ROPE_SEQUENCE;
    ffcl_weights_pass(w, "feat_rope.");
    return rc;
}

static void set_turn(float *rope, size_t j, double angle)
{
    rope[2 * j] = (float)cos(angle);
    rope[2 * j + 1] = (float)sin(angle);
}

void ffcl_rope_table(float *rope, ffcl_rope kind, size_t n, size_t G, size_t Dh)
{
    const size_t pairs = Dh / 2, half = pairs / 2;
    for (size_t t = 0; t < n + G * G; t++)
        for (size_t j = 0; j < pairs; j++) {
            double angle = (double)t * pow(10000.0, -2.0 * (double)j / (double)Dh);
            if (kind == FFCL_ROPE_PATCHES && t < n)
                angle = 0.0;
            else if (kind == FFCL_ROPE_PATCHES)
                angle = (double)(j < half ? (t - n) / G : (t - n) % G) *
                        pow(10000.0, -(double)(j % half) / (double)half);
            set_turn(rope + t * Dh, j, angle);
        }
}

/* Element e of the table gets that of the file's, for every second e from `first` on: of the two
 * equal ones of a pair. */
static int read_half(float *rope, const ffcl_weights *w, const char *name, size_t first, size_t T,
                     size_t Dh, ffcl_error *err)
{
    const ffcl_tensor_info *info = ffcl_weights_find(w, "%s", name);
    float *read = NULL;
    if (!info || info->rank != 2 || info->shape[0] != T || info->shape[1] != Dh)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s: %s should be (%zu, %zu)",
                         ffcl_tensor_file_path(w->file), name, T, Dh);
    read = malloc(info->count * sizeof *read);
    int rc = read ? ffcl_tensor_file_read_f32(w->file, info, 0, info->count, read, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", name);
    for (size_t e = first; rc == 0 && e < info->count; e += 2)
        rope[e] = read[e];
    free(read);
    return rc;
}

int ffcl_rope_from_file(float *rope, const ffcl_weights *w, size_t T, size_t Dh, ffcl_error *err)
{
    if (!ffcl_weights_has(w, "feat_rope."))
        return 0;
    int rc = read_half(rope, w, "feat_rope.freqs_cos", 0, T, Dh, err);
    return rc ? rc : read_half(rope, w, "feat_rope.freqs_sin", 1, T, Dh, err);
}
