/* SPDX-License-Identifier: MIT
 * The tensors of a tiny decoder.  Its layers are numbered in a row: a convolution at 0, then in
 * each stage blocks, an upsampling and a convolution without bias; the last stage ends with the one
 * to colours.  Layers without tensors are counted, too: ReLU at 1, upsampling. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/vae_config.h"
#include "util.h"

enum { MOST_LEVELS = 8, MOST_BLOCKS = 64, MOST_WIDTH = 65536 };

/* What follows "decoder.", "taesd_decoder.", "vae." and the like; NULL: a tensor of the encoder. */
static const char *without_prefix(const char *name)
{
    static const char *const prefixes[] = {"first_stage_model.", "vae.", "taesd_decoder.",
                                           "decoder."};
    if (ffcl_begins(name, "encoder.") || ffcl_begins(name, "taesd_encoder."))
        return NULL;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (ffcl_begins(name, prefixes[i]))
            name += strlen(prefixes[i]);
    return name;
}

int ffcl_vae_is_tiny(const char *name)
{
    size_t i;
    int used = 0;
    name = without_prefix(name);
    if (name && ffcl_begins(name, "layers."))
        name += strlen("layers.");
    return name && sscanf(name, "%zu.conv.0.weight%n", &i, &used) == 1 && used && !name[used];
}

/* TAESD's own files count the clamp of the latents as layer 0. */
int ffcl_vae_tiny_rename(char **out, const char *name, void *user)
{
    size_t i;
    int used = 0;
    (void)user;
    *out = NULL;
    name = without_prefix(name);
    if (!name)
        return 0;
    if (sscanf(name, "%zu.%n", &i, &used) == 1 && used && i > 0)
        *out = ffcl_format("layers.%zu.%s", i - 1, name + used);
    else
        *out = ffcl_format("%s", name);
    return *out ? 0 : FFCL_ENOMEM;
}

static const ffcl_tensor_info *weight_of(const ffcl_vae *vae, size_t layer, const char *part)
{
    const ffcl_tensor_info *info = ffcl_weights_find(&vae->weights, "layers.%zu.%sweight", layer,
                                                     part);
    return info && info->rank == 4 && info->count && info->shape[0] <= MOST_WIDTH &&
                   info->shape[1] <= MOST_WIDTH ? info : NULL;
}

static int is_block(const ffcl_vae *vae, size_t layer)
{
    return weight_of(vae, layer, "conv.0.") != NULL;
}

/* A list of config.json with one number a stage. */
static int check_list(const ffcl_vae *vae, const char *path, const cJSON *json, const char *key,
                      ffcl_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, key);
    const int of_blocks = !strcmp(key, "num_decoder_blocks");
    int same = !list || (cJSON_IsArray(list) &&
                         (size_t)cJSON_GetArraySize(list) == vae->d.levels);
    for (size_t i = 0; list && same && i < vae->d.levels; i++) {
        const cJSON *item = cJSON_GetArrayItem(list, (int)i);
        const ffcl_tiny_stage *s = &vae->stages[i];
        same = cJSON_IsNumber(item) &&
               item->valuedouble == (double)(of_blocks ? s->n : s->blocks[0].conv[0].out);
    }
    return same ? 0 : ffcl_fail(err, FFCL_EWEIGHTS, "%s lists %s that are not those of the tensors "
                                "in %s", path, key, ffcl_tensor_file_path(vae->weights.file));
}

static int read_config(ffcl_vae *vae, const char *path, const char *text, ffcl_error *err)
{
    static const char *const upsamplings[] = {"nearest", NULL};
    static const char *const keys[] = {"upsample_fn", "upsampling_scaling_factor",
                                       "num_decoder_blocks", "decoder_block_out_channels", NULL};
    cJSON *json = NULL;
    vae->d.has_config = text != NULL;
    /* The generator's own latents, whatever its autoencoder's scale is. */
    vae->d.scaling = 1;
    if (!text)
        return 0;
    int rc = ffcl_vae_config_open(vae, &json, path, text, keys, err);
    if (rc == 0)
        rc = ffcl_vae_config_word(path, json, "upsample_fn", upsamplings, err);
    if (rc == 0)
        rc = ffcl_vae_config_count(vae, path, json, "upsampling_scaling_factor", 2, err);
    if (rc == 0)
        rc = check_list(vae, path, json, "num_decoder_blocks", err);
    if (rc == 0)
        rc = check_list(vae, path, json, "decoder_block_out_channels", err);
    cJSON_Delete(json);
    return rc;
}

/* A stage from *layer on, which becomes the layer after it; *width: of its channels. */
static int derive_stage(ffcl_vae *vae, size_t *layer, size_t *width, ffcl_error *err)
{
    ffcl_tiny_stage *s = &vae->stages[vae->d.levels];
    if (vae->d.levels == MOST_LEVELS)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s has more than %d stages",
                         ffcl_tensor_file_path(vae->weights.file), MOST_LEVELS);
    while (s->n < MOST_BLOCKS && is_block(vae, *layer + s->n))
        s->n++;
    s->blocks = calloc(s->n + 1, sizeof *s->blocks);
    if (!s->blocks)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the VAE");
    vae->d.levels++;
    for (size_t j = 0; j < s->n; j++) {
        const size_t out = weight_of(vae, *layer + j, "conv.0.")->shape[0];
        s->blocks[j].conv[0] = ffcl_vae_conv(out, *width, 3);
        *width = out;
    }
    *layer += s->n;
    if (s->n == 0)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s lacks layers.%zu.conv.0.weight, or has it in "
                         "another rank", ffcl_tensor_file_path(vae->weights.file), *layer);
    if (weight_of(vae, *layer, ""))
        return 0;
    const ffcl_tensor_info *next = weight_of(vae, *layer + 1, "");
    if (!next)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s ends behind layers.%zu: it lacks the convolution "
                         "that follows", ffcl_tensor_file_path(vae->weights.file), *layer - 1);
    s->upsample = ffcl_vae_conv(next->shape[0], *width, 3);
    *width = next->shape[0];
    *layer += 2;
    return 0;
}

/* FLUX.2's blocks have a path with a group norm beside their convolutions. */
static int check_pools(const ffcl_vae *vae, size_t layers, ffcl_error *err)
{
    for (size_t i = 0; i < layers; i++) {
        const ffcl_tensor_info *pool = weight_of(vae, i, "pool.0.");
        if (pool)
            return ffcl_fail(err, FFCL_EWEIGHTS, "%s is a tiny decoder whose blocks have group "
                             "norms (%s), as the one for FLUX.2: ffcl runs those without, for "
                             "Stable Diffusion and FLUX.1",
                             ffcl_tensor_file_path(vae->weights.file), pool->name);
    }
    return 0;
}

int ffcl_vae_tiny_derive(ffcl_vae *vae, const ffcl_vae_options *options, const char *config_path,
                         const char *config_text, ffcl_error *err)
{
    ffcl_vae_dims *d = &vae->d;
    const ffcl_tensor_info *in = weight_of(vae, 0, "");
    size_t layer = 2, width = in ? in->shape[0] : 0;
    (void)options;              /* there are no group norms */
    d->is_tiny = 1;
    if (!in)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s is no tiny decoder: it lacks layers.0.weight, or "
                         "has it in another rank%s", ffcl_tensor_file_path(vae->weights.file),
                         ffcl_weights_remedy(&vae->weights, "vae.weights"));
    d->zc = in->shape[1];
    vae->conv_in = ffcl_vae_conv(width, d->zc, 3);
    vae->stages = calloc(MOST_LEVELS, sizeof *vae->stages);
    if (!vae->stages)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the VAE");
    do {
        int rc = derive_stage(vae, &layer, &width, err);
        if (rc)
            return rc;
    } while (vae->stages[d->levels - 1].upsample.out);
    const int rc = check_pools(vae, layer, err);
    if (rc)
        return rc;
    d->out = weight_of(vae, layer, "")->shape[0];
    d->upscale = (size_t)1 << (d->levels - 1);
    d->mid = vae->conv_in.out;
    vae->conv_out = ffcl_vae_conv(d->out, width, 3);
    vae->conv_out.is_final = 1;
    if (d->out != 3)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s decodes %zu channels to %zu, not to 3 colours",
                         ffcl_tensor_file_path(vae->weights.file), d->zc, d->out);
    return read_config(vae, config_path, config_text, err);
}

static void add_block(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_tiny_block *b, size_t layer)
{
    const size_t in = b->conv[0].in, out = b->conv[0].out;
    char name[64];
    for (size_t k = 0; k < 3; k++) {
        b->conv[k] = ffcl_vae_conv(out, k ? out : in, 3);
        b->conv[k].act = k < 2 ? FFCL_ACT_RELU : FFCL_ACT_NONE;
        snprintf(name, sizeof name, "layers.%zu.conv.%zu", layer, 2 * k);
        ffcl_vae_add_conv(vae, ctx, &b->conv[k], 0, name);
    }
    b->skip = ffcl_vae_conv(in == out ? 0 : out, in, 1);
    snprintf(name, sizeof name, "layers.%zu.skip", layer);
    if (b->skip.out)
        ffcl_vae_add_conv(vae, ctx, &b->skip, FFCL_VAE_NO_BIAS, name);
}

int ffcl_vae_tiny_table(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_error *err)
{
    size_t layer = 2;
    char name[64];
    vae->weights.n_rows = 0;
    ffcl_vae_add_conv(vae, ctx, &vae->conv_in, FFCL_VAE_OF_LATENTS, "layers.0");
    for (size_t i = 0; i < vae->d.levels; i++) {
        ffcl_tiny_stage *s = &vae->stages[i];
        for (size_t j = 0; j < s->n; j++)
            add_block(vae, ctx, &s->blocks[j], layer++);
        if (!s->upsample.out)
            break;
        s->upsample = ffcl_vae_conv(s->upsample.out, s->upsample.in, 3);
        s->upsample.upsample = 1;
        snprintf(name, sizeof name, "layers.%zu", layer + 1);
        ffcl_vae_add_conv(vae, ctx, &s->upsample, FFCL_VAE_NO_BIAS, name);
        layer += 2;
    }
    snprintf(name, sizeof name, "layers.%zu", layer);
    ffcl_vae_add_conv(vae, ctx, &vae->conv_out, 0, name);
    return ffcl_weights_check(&vae->weights, "tiny decoder", "vae.weights", err);
}
