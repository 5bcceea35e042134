/* SPDX-License-Identifier: MIT
 * The three ways to name the tensors of a Stable Diffusion VAE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/vae_weights.h"
#include "util.h"

typedef struct replacement {
    const char *from, *to;
} replacement;

/* The names of the attention's linear layers in diffusers before 0.17. */
static const replacement old_attention[] = {
    {"mid_block.attentions.0.query.", "mid_block.attentions.0.to_q."},
    {"mid_block.attentions.0.key.", "mid_block.attentions.0.to_k."},
    {"mid_block.attentions.0.value.", "mid_block.attentions.0.to_v."},
    {"mid_block.attentions.0.proj_attn.", "mid_block.attentions.0.to_out.0."},
};

/* CompVis latent-diffusion, the original. */
static const replacement ldm[] = {
    {"decoder.mid.block_1.", "decoder.mid_block.resnets.0."},
    {"decoder.mid.block_2.", "decoder.mid_block.resnets.1."},
    {"decoder.mid.attn_1.norm.", "decoder.mid_block.attentions.0.group_norm."},
    {"decoder.mid.attn_1.q.", "decoder.mid_block.attentions.0.to_q."},
    {"decoder.mid.attn_1.k.", "decoder.mid_block.attentions.0.to_k."},
    {"decoder.mid.attn_1.v.", "decoder.mid_block.attentions.0.to_v."},
    {"decoder.mid.attn_1.proj_out.", "decoder.mid_block.attentions.0.to_out.0."},
    {"decoder.norm_out.", "decoder.conv_norm_out."},
    {".nin_shortcut.", ".conv_shortcut."},
};

/* The same of the attention beside ResNets of the up blocks, after their number. */
static const replacement ldm_attention[] = {
    {".norm.", ".group_norm."}, {".q.", ".to_q."}, {".k.", ".to_k."}, {".v.", ".to_v."},
    {".proj_out.", ".to_out.0."},
};

/* name with the first occurrence of `from` replaced; name itself where there is none. */
static char *replace(char *name, const replacement *r)
{
    char *at = name ? strstr(name, r->from) : NULL;
    if (!at)
        return name;
    char *result = ffcl_format("%.*s%s%s", (int)(at - name), name, r->to, at + strlen(r->from));
    free(name);
    return result;
}

/* decoder.up.i.block.j.* is up_blocks.(levels-1-i).resnets.j.*; NULL when memory is short. */
static char *ldm_up(char *name, size_t levels)
{
    size_t i, j;
    int used = 0;
    char *result = NULL;
    if (!name || levels == 0)
        return name;
    if (sscanf(name, "decoder.up.%zu.block.%zu.%n", &i, &j, &used) == 2 && used && i < levels) {
        result = ffcl_format("decoder.up_blocks.%zu.resnets.%zu.%s", levels - 1 - i, j,
                             name + used);
        free(name);
        return result;
    }
    used = 0;
    if (sscanf(name, "decoder.up.%zu.attn.%zu.%n", &i, &j, &used) == 2 && used && i < levels) {
        result = ffcl_format("decoder.up_blocks.%zu.attentions.%zu.%s", levels - 1 - i, j,
                             name + used);
        free(name);
        for (size_t k = 0; k < sizeof ldm_attention / sizeof *ldm_attention; k++)
            result = replace(result, &ldm_attention[k]);
        return result;
    }
    used = 0;
    if (sscanf(name, "decoder.up.%zu.upsample.conv.%n", &i, &used) == 1 && used && i < levels) {
        result = ffcl_format("decoder.up_blocks.%zu.upsamplers.0.conv.%s", levels - 1 - i,
                             name + used);
        free(name);
        return result;
    }
    return name;
}

int ffcl_vae_rename(char **out, const char *name, void *user)
{
    static const char *const prefixes[] = {"first_stage_model.", "vae."};
    size_t levels = *(const size_t *)user;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            name += strlen(prefixes[i]);
    *out = NULL;
    if (strncmp(name, "decoder.", 8) != 0 && strncmp(name, "post_quant_conv.", 16) != 0)
        return 0;
    char *result = ffcl_format("%s", name);
    for (size_t i = 0; i < sizeof old_attention / sizeof *old_attention; i++)
        result = replace(result, &old_attention[i]);
    for (size_t i = 0; i < sizeof ldm / sizeof *ldm; i++)
        result = replace(result, &ldm[i]);
    *out = ldm_up(result, levels);
    return *out ? 0 : FFCL_ENOMEM;
}
