/* SPDX-License-Identifier: MIT */
#include "model/vae_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/vae_config.h"
#include "util.h"

static int check_widths(const ffcl_vae *vae, const char *path, const cJSON *json,
                        const size_t *widths, ffcl_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "block_out_channels");
    size_t n = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
    int same = !list || n == vae->d.levels;
    for (size_t i = 0; same && i < n; i++) {
        const cJSON *item = cJSON_GetArrayItem(list, (int)(n - 1 - i));
        same = cJSON_IsNumber(item) && item->valuedouble == (double)widths[i];
    }
    if (same)
        return 0;
    return ffcl_fail(err, FFCL_EWEIGHTS,
                     "%s lists block_out_channels that are not those of the tensors in %s", path,
                     ffcl_tensor_file_path(vae->weights.file));
}

/* The kinds of the decoder's blocks: with attention where the file has its tensors, and nothing
 * that is not computed here. */
static int check_kinds(const ffcl_vae *vae, const char *path, const cJSON *json, ffcl_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "up_block_types");
    const ffcl_weights *w = &vae->weights;
    if (list && (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) != vae->d.levels))
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s lists up_block_types for another number of levels "
                         "than the %zu in %s", path, vae->d.levels,
                         ffcl_tensor_file_path(w->file));
    for (size_t i = 0; list && i < vae->d.levels; i++) {
        const char *kind = cJSON_GetStringValue(cJSON_GetArrayItem(list, (int)i));
        const int is_plain = kind && !strcmp(kind, "UpDecoderBlock2D");
        const int is_attentive = kind && !strcmp(kind, "AttnUpDecoderBlock2D");
        const int has = ffcl_weights_has(w, "decoder.up_blocks.%zu.attentions.0.", i);
        if (!is_plain && !is_attentive)
            return ffcl_fail(err, FFCL_EWEIGHTS, "%s gives up_block_types %.80s, and "
                             "UpDecoderBlock2D and AttnUpDecoderBlock2D are known", path,
                             kind ? kind : "null");
        if (is_attentive != has)
            return ffcl_fail(err, FFCL_EWEIGHTS, "%s gives up_block_types %.80s, and %s has %s "
                             "attention in decoder.up_blocks.%zu", path, kind,
                             ffcl_tensor_file_path(w->file), has ? "an" : "no", i);
    }
    return 0;
}

/* Group norm's groups, and that all else is what the tensors are. */
static int read_config(ffcl_vae *vae, const ffcl_vae_options *options, const char *path,
                       const char *text, const size_t *widths, ffcl_error *err)
{
    static const char *const keys[] = {
        "norm_num_groups", "block_out_channels", "layers_per_block", "use_post_quant_conv",
        "mid_block_add_attention", "up_block_types", NULL};
    double groups = FFCL_VAE_USUAL_GROUPS;
    cJSON *json = NULL;
    if (options->groups_hint)
        groups = (double)options->groups_hint;
    vae->d.groups = options->groups ? options->groups : (size_t)groups;
    vae->d.has_config = text != NULL;
    if (!text)
        return 0;
    int rc = ffcl_vae_config_open(vae, &json, path, text, keys, err);
    if (rc == 0)
        rc = ffcl_vae_config_number(path, json, "norm_num_groups", 1, &groups, err);
    if (!options->groups)
        vae->d.groups = (size_t)groups;
    if (rc == 0)
        rc = check_widths(vae, path, json, widths, err);
    /* The key counts the encoder's ResNets of a level; the decoder has one more. */
    if (rc == 0 && vae->d.layers > 0)
        rc = ffcl_vae_config_count(vae, path, json, "layers_per_block", vae->d.layers - 1, err);
    if (rc == 0)
        rc = ffcl_vae_config_part(vae, path, json, "use_post_quant_conv",
                                  ffcl_weights_has(&vae->weights, "post_quant_conv."), err);
    if (rc == 0)
        rc = ffcl_vae_config_part(vae, path, json, "mid_block_add_attention", vae->is_attentive,
                                  err);
    if (rc == 0)
        rc = check_kinds(vae, path, json, err);
    cJSON_Delete(json);
    return rc;
}

static size_t first_dim(const ffcl_tensor_info *info)
{
    return info && info->rank == 4 && info->count ? info->shape[0] : 0;
}

/* Output channels of an up block, from either convolution of its first ResNet; 0: both missing. */
static size_t up_width(const ffcl_weights *w, size_t level)
{
    static const char *const names[] = {"conv1", "conv2"};
    size_t width = 0;
    for (size_t i = 0; i < 2 && width == 0; i++)
        width = first_dim(ffcl_weights_find(w, "decoder.up_blocks.%zu.resnets.0.%s.weight", level,
                                            names[i]));
    return width;
}

static int check_groups(const ffcl_vae *vae, const size_t *widths, ffcl_error *err)
{
    for (size_t i = 0; i < vae->d.levels; i++)
        if (widths[i] == 0)
            return ffcl_fail(err, FFCL_EWEIGHTS,
                             "%s lacks decoder.up_blocks.%zu.resnets.0.conv1.weight or has it in "
                             "another rank", ffcl_tensor_file_path(vae->weights.file), i);
    for (size_t i = 0; i < vae->d.levels; i++)
        if (widths[i] % vae->d.groups)
            return ffcl_fail(err, FFCL_EWEIGHTS,
                             "%s has %zu channels, which %zu groups do not divide: its config.json "
                             "must give norm_num_groups, or [vae] groups",
                             ffcl_tensor_file_path(vae->weights.file), widths[i], vae->d.groups);
    return 0;
}

/* What the file has beside a decoder that changes what that gets: a codebook, to whose entries
 * latents are rounded first, is refused, and a batch norm of latents noted. */
static int look_beside(ffcl_vae *vae, ffcl_error *err)
{
    static const char *const prefixes[] = {"", "first_stage_model.", "vae."};
    const ffcl_tensor_file *file = vae->weights.file;
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
        const char *whole = ffcl_tensor_file_at(file, i)->name;
        for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++) {
            if (!ffcl_begins(whole, prefixes[k]))
                continue;
            const char *name = whole + strlen(prefixes[k]);
            if (ffcl_begins(name, "quantize.") || ffcl_begins(name, "quantizer."))
                return ffcl_fail(err, FFCL_EWEIGHTS, "%s is an autoencoder with a codebook (%s), "
                                 "to whose entries latents are rounded before they are decoded, "
                                 "which is not done here: use an AutoencoderKL",
                                 ffcl_tensor_file_path(file), whole);
            vae->d.has_norm |= strcmp(name, "bn.running_mean") == 0;
        }
    }
    return 0;
}

const ffcl_tensor_file *ffcl_vae_file(const ffcl_vae *vae)
{
    return vae->weights.file;
}

void ffcl_vae_describe(const ffcl_vae *vae, char *text, size_t size)
{
    ffcl_weights_describe(&vae->weights, "", text, size);
}

int ffcl_vae_derive(ffcl_vae *vae, const ffcl_vae_options *options, const char *config_path,
                    const char *config_text, ffcl_error *err)
{
    ffcl_vae_dims *d = &vae->d;
    const ffcl_weights *w = &vae->weights;
    const ffcl_tensor_info *in = ffcl_weights_find(w, "decoder.conv_in.weight");
    const ffcl_tensor_info *out = ffcl_weights_find(w, "decoder.conv_out.weight");
    size_t widths[8] = {0};
    for (; d->levels < 8 && ffcl_weights_has(w, "decoder.up_blocks.%zu.", d->levels); d->levels++)
        widths[d->levels] = up_width(w, d->levels);
    while (ffcl_weights_has(w, "decoder.up_blocks.0.resnets.%zu.", d->layers))
        d->layers++;
    if (!in || in->rank != 4 || !out || out->rank != 4 || d->levels == 0)
        return ffcl_fail(err, FFCL_EWEIGHTS,
                         "%s is no VAE: it lacks decoder.conv_in.weight, decoder.conv_out.weight "
                         "or decoder.up_blocks%s", ffcl_tensor_file_path(w->file),
                         ffcl_weights_remedy(w, "vae.weights"));
    d->mid = in->shape[0];
    d->zc = in->shape[1];
    d->out = out->shape[0];
    d->upscale = (size_t)1 << (d->levels - 1);
    vae->is_attentive = ffcl_weights_has(w, "decoder.mid_block.attentions.0.");
    if (d->out != 3 || in->count == 0 || out->count == 0 || d->mid > 65536 || d->zc > 65536)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s decodes %zu channels to %zu, not to 3 colours",
                         ffcl_tensor_file_path(w->file), d->zc, d->out);
    int rc = look_beside(vae, err);
    if (rc == 0)
        rc = read_config(vae, options, config_path, config_text, widths, err);
    if (rc == 0)
        rc = check_groups(vae, widths, err);
    if (rc)
        return rc;
    vae->up = calloc(d->levels, sizeof *vae->up);
    for (size_t i = 0; vae->up && i < d->levels; i++) {
        vae->up[i].resnets = calloc(d->layers, sizeof *vae->up[i].resnets);
        vae->up[i].attentions = calloc(d->layers, sizeof *vae->up[i].attentions);
        vae->up[i].upsample.out = i + 1 < d->levels ? widths[i] : 0;
        for (size_t j = 0; vae->up[i].resnets && j < d->layers; j++) {
            vae->up[i].resnets[j].conv1.in = j ? widths[i] : i ? widths[i - 1] : d->mid;
            vae->up[i].resnets[j].conv1.out = widths[i];
        }
        if (!vae->up[i].resnets || !vae->up[i].attentions)
            return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the VAE");
    }
    return vae->up ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the VAE");
}

static void add_vector(ffcl_vae *vae, ffcl_tensor *to, size_t N, size_t at, const char *name)
{
    ffcl_weights_add(&vae->weights,
                     &(ffcl_weight_row){.rank = 1, .shape = {N}, .to = to, .at = at}, "%s", name);
}

static void add_norm(ffcl_vae *vae, ffcl_vae_norm *norm, size_t C, const char *name)
{
    char full[96];
    norm->gamma = norm->beta = ffcl_tensor_of(FFCL_F32, 1, 1, C);
    snprintf(full, sizeof full, "%s.weight", name);
    add_vector(vae, &norm->gamma, C, 0, full);
    snprintf(full, sizeof full, "%s.bias", name);
    add_vector(vae, &norm->beta, C, 0, full);
}

void ffcl_vae_add_conv(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_conv_weight *conv, int flags,
                       const char *name)
{
    const int of_latents = flags & FFCL_VAE_OF_LATENTS;
    conv->dtype = of_latents ? FFCL_F32 : vae->dtype;
    if (of_latents || !ctx)
        ffcl_latent_conv_lay_out(conv);
    else
        ffcl_conv_lay_out(ctx, conv);
    ffcl_weights_add(&vae->weights,
                     &(ffcl_weight_row){.rank = 4,
                                        .shape = {conv->out, conv->in, conv->side, conv->side},
                                        .kind = FFCL_ROW_CONV, .conv = conv},
                     "%s.weight", name);
    ffcl_weights_add(&vae->weights,
                     &(ffcl_weight_row){.rank = 1, .shape = {conv->out},
                                        .kind = flags & FFCL_VAE_NO_BIAS ? FFCL_ROW_CONV_ZEROS
                                                                         : FFCL_ROW_CONV_BIAS,
                                        .conv = conv},
                     "%s.bias", name);
}

static void add_conv(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_conv_weight *conv, const char *name)
{
    ffcl_vae_add_conv(vae, ctx, conv, 0, name);
}

ffcl_conv_weight ffcl_vae_conv(size_t out, size_t in, size_t side)
{
    return (ffcl_conv_weight){.in = in, .out = out, .side = side};
}

static void add_resnet(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_vae_resnet *r, size_t in,
                       size_t out, const char *prefix)
{
    char name[80];
    r->conv1 = ffcl_vae_conv(out, in, 3);
    r->conv2 = ffcl_vae_conv(out, out, 3);
    r->shortcut = ffcl_vae_conv(in == out ? 0 : out, in, 1);
    snprintf(name, sizeof name, "%s.norm1", prefix);
    add_norm(vae, &r->norm1, in, name);
    snprintf(name, sizeof name, "%s.conv1", prefix);
    add_conv(vae, ctx, &r->conv1, name);
    snprintf(name, sizeof name, "%s.norm2", prefix);
    add_norm(vae, &r->norm2, out, name);
    snprintf(name, sizeof name, "%s.conv2", prefix);
    add_conv(vae, ctx, &r->conv2, name);
    snprintf(name, sizeof name, "%s.conv_shortcut", prefix);
    if (r->shortcut.out)
        add_conv(vae, ctx, &r->shortcut, name);
}

/* One of the attention's linear layers (C, C) into columns at .. of l. */
static void add_linear(ffcl_vae *vae, ffcl_linear *l, size_t at, const char *prefix,
                       const char *name)
{
    const size_t C = l->w.rows;
    char full[96];
    ffcl_weights_add(&vae->weights,
                     &(ffcl_weight_row){.rank = 2, .shape = {C, C}, .kind = FFCL_ROW_MATRIX,
                                        .to = &l->w, .at = at},
                     "%s.%s.weight", prefix, name);
    snprintf(full, sizeof full, "%s.%s.bias", prefix, name);
    add_vector(vae, &l->b, C, at, full);
}

static ffcl_linear linear_of(const ffcl_vae *vae, size_t N, size_t K)
{
    ffcl_linear l = {ffcl_tensor_of(vae->dtype, 1, K, N), ffcl_tensor_of(FFCL_F32, 1, 1, N)};
    l.w.layout = vae->dtype == FFCL_F16 ? FFCL_TILES : vae->layout;
    l.w.ld = l.w.layout == FFCL_COLUMNS ? K : N;
    return l;
}

static void add_attention(ffcl_vae *vae, ffcl_vae_attention *a, size_t C, const char *prefix)
{
    static const char *const names[] = {"to_q", "to_k", "to_v"};
    char full[96];
    a->qkv = linear_of(vae, 3 * C, C);
    a->proj = linear_of(vae, C, C);
    snprintf(full, sizeof full, "%s.group_norm", prefix);
    add_norm(vae, &a->norm, C, full);
    for (size_t i = 0; i < 3; i++)
        add_linear(vae, &a->qkv, i * C, prefix, names[i]);
    add_linear(vae, &a->proj, 0, prefix, "to_out.0");
}

int ffcl_vae_table(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_error *err)
{
    const ffcl_vae_dims *d = &vae->d;
    char name[80];
    vae->weights.n_rows = 0;
    const int has_point = ffcl_weights_find(&vae->weights, "post_quant_conv.weight") != NULL;
    vae->post_quant = ffcl_vae_conv(has_point ? d->zc : 0, d->zc, 1);
    if (has_point)
        ffcl_vae_add_conv(vae, ctx, &vae->post_quant, FFCL_VAE_OF_LATENTS, "post_quant_conv");
    vae->conv_in = ffcl_vae_conv(d->mid, d->zc, 3);
    ffcl_vae_add_conv(vae, ctx, &vae->conv_in, FFCL_VAE_OF_LATENTS, "decoder.conv_in");
    add_resnet(vae, ctx, &vae->mid[0], d->mid, d->mid, "decoder.mid_block.resnets.0");
    if (vae->is_attentive)
        add_attention(vae, &vae->attention, d->mid, "decoder.mid_block.attentions.0");
    add_resnet(vae, ctx, &vae->mid[1], d->mid, d->mid, "decoder.mid_block.resnets.1");
    size_t width = d->mid;
    for (size_t i = 0; i < d->levels; i++) {
        ffcl_vae_level *level = &vae->up[i];
        for (size_t j = 0; j < d->layers; j++) {
            ffcl_vae_resnet *r = &level->resnets[j];
            snprintf(name, sizeof name, "decoder.up_blocks.%zu.resnets.%zu", i, j);
            add_resnet(vae, ctx, r, width, r->conv1.out, name);
            width = r->conv1.out;
            snprintf(name, sizeof name, "decoder.up_blocks.%zu.attentions.%zu", i, j);
            if (ffcl_weights_has(&vae->weights, "%s.", name))
                add_attention(vae, &level->attentions[j], width, name);
        }
        snprintf(name, sizeof name, "decoder.up_blocks.%zu.upsamplers.0.conv", i);
        level->upsample = ffcl_vae_conv(level->upsample.out, width, 3);
        level->upsample.upsample = 1;
        if (level->upsample.out)
            add_conv(vae, ctx, &level->upsample, name);
    }
    add_norm(vae, &vae->norm_out, width, "decoder.conv_norm_out");
    vae->conv_out = ffcl_vae_conv(d->out, width, 3);
    vae->conv_out.is_final = 1;
    add_conv(vae, ctx, &vae->conv_out, "decoder.conv_out");
    return ffcl_weights_check(&vae->weights, "VAE", "vae.weights", err);
}
