/* SPDX-License-Identifier: MIT */
#include "model/vae_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "util.h"

/* A number of config.json, from least to 1e6 and whole where least is; *n stays where the key is
 * absent. */
static int take_number(const char *path, const cJSON *json, const char *key, double least,
                       double *n, ffcl_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!item)
        return 0;
    if (ffcl_json_times(json, key) > 1)
        return ffcl_fail(err, FFCL_EFORMAT, "%s gives %s more than once", path, key);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= least && item->valuedouble <= 1e6) ||
        (least >= 1 && item->valuedouble != (double)(size_t)item->valuedouble))
        return ffcl_fail(err, FFCL_EFORMAT, "%s gives %s, and not as a %s number", path, key,
                         least >= 1 ? "positive whole" : "positive");
    *n = item->valuedouble;
    return 0;
}

/* Fails where config.json's number differs from that of the tensors. */
static int check_count(const ffcl_vae *vae, const char *path, const cJSON *json, const char *key,
                       size_t tensors, ffcl_error *err)
{
    double given = (double)tensors;
    int rc = take_number(path, json, key, 1, &given, err);
    if (rc || given == (double)tensors)
        return rc;
    return ffcl_fail(err, FFCL_EWEIGHTS, "%s gives %s = %.0f, and the tensors in %s make it %zu",
                     path, key, given, ffcl_tensor_file_path(vae->weights.file), tensors);
}

/* A part that config.json says is there, or is not, must be so in the file. */
static int check_part(const ffcl_vae *vae, const char *path, const cJSON *json, const char *key,
                      int is_there, ffcl_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!cJSON_IsBool(item) || cJSON_IsTrue(item) == is_there)
        return 0;
    return ffcl_fail(err, FFCL_EWEIGHTS, "%s gives %s = %s, and %s has %s", path, key,
                     is_there ? "false" : "true", ffcl_tensor_file_path(vae->weights.file),
                     is_there ? "its tensors" : "none of its tensors");
}

/* What ffcl does not compute must not be asked for. */
static int check_unknown(const char *path, const cJSON *json, ffcl_error *err)
{
    static const char *const keys[] = {"shift_factor", "latents_mean", "latents_std"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, keys[i]);
        if (item && !cJSON_IsNull(item) && !(cJSON_IsNumber(item) && item->valuedouble == 0))
            return ffcl_fail(err, FFCL_EWEIGHTS, "%s gives %s, which ffcl does not apply to "
                             "latents: this VAE cannot be used", path, keys[i]);
    }
    return 0;
}

static int check_widths(const ffcl_vae *vae, const char *path, const cJSON *json,
                        const size_t *widths, ffcl_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "block_out_channels");
    size_t n = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : vae->d.levels;
    int same = n == vae->d.levels;
    for (size_t i = 0; cJSON_IsArray(list) && same && i < n; i++) {
        const cJSON *item = cJSON_GetArrayItem(list, (int)(n - 1 - i));
        same = cJSON_IsNumber(item) && item->valuedouble == (double)widths[i];
    }
    if (same)
        return 0;
    return ffcl_fail(err, FFCL_EWEIGHTS,
                     "%s lists block_out_channels that are not those of the tensors in %s", path,
                     ffcl_tensor_file_path(vae->weights.file));
}

/* Group norm's groups, and that all else is what the tensors are. */
static int read_config(ffcl_vae *vae, const char *path, const char *text, const size_t *widths,
                       ffcl_error *err)
{
    double groups = FFCL_VAE_USUAL_GROUPS;
    cJSON *json = NULL;
    vae->d.groups = FFCL_VAE_USUAL_GROUPS;
    vae->d.has_config = text != NULL;
    if (!text)
        return 0;
    int rc = ffcl_json_parse(&json, text, strlen(text), NULL, path, err);
    if (rc == FFCL_EFORMAT)
        return ffcl_fail(err, rc, "%s is no JSON object", path);
    if (rc == 0)
        rc = take_number(path, json, "norm_num_groups", 1, &groups, err);
    vae->d.groups = (size_t)groups;
    if (rc == 0)
        rc = take_number(path, json, "scaling_factor", 1e-6, &vae->d.scaling, err);
    if (rc == 0)
        rc = check_widths(vae, path, json, widths, err);
    if (rc == 0)
        rc = check_count(vae, path, json, "latent_channels", vae->d.zc, err);
    /* The key counts the encoder's ResNets of a level; the decoder has one more. */
    if (rc == 0 && vae->d.layers > 0)
        rc = check_count(vae, path, json, "layers_per_block", vae->d.layers - 1, err);
    if (rc == 0)
        rc = check_part(vae, path, json, "use_post_quant_conv",
                        ffcl_weights_has(&vae->weights, "post_quant_conv."), err);
    if (rc == 0)
        rc = check_part(vae, path, json, "mid_block_add_attention", vae->is_attentive, err);
    if (rc == 0)
        rc = check_unknown(path, json, err);
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
                             "must give norm_num_groups",
                             ffcl_tensor_file_path(vae->weights.file), widths[i], vae->d.groups);
    return 0;
}

const ffcl_tensor_file *ffcl_vae_file(const ffcl_vae *vae)
{
    return vae->weights.file;
}

int ffcl_vae_derive(ffcl_vae *vae, const char *config_path, const char *config_text,
                    ffcl_error *err)
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
                         "or decoder.up_blocks", ffcl_tensor_file_path(w->file));
    d->mid = in->shape[0];
    d->zc = in->shape[1];
    d->out = out->shape[0];
    d->upscale = (size_t)1 << (d->levels - 1);
    vae->is_attentive = ffcl_weights_has(w, "decoder.mid_block.attentions.0.");
    if (d->out != 3 || in->count == 0 || out->count == 0 || d->mid > 65536 || d->zc > 65536)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s decodes %zu channels to %zu, not to 3 colours",
                         ffcl_tensor_file_path(w->file), d->zc, d->out);
    int rc = read_config(vae, config_path, config_text, widths, err);
    if (rc == 0)
        rc = check_groups(vae, widths, err);
    if (rc)
        return rc;
    vae->up = calloc(d->levels, sizeof *vae->up);
    for (size_t i = 0; vae->up && i < d->levels; i++) {
        vae->up[i].resnets = calloc(d->layers, sizeof *vae->up[i].resnets);
        vae->up[i].upsample.out = i + 1 < d->levels ? widths[i] : 0;
        for (size_t j = 0; vae->up[i].resnets && j < d->layers; j++) {
            vae->up[i].resnets[j].conv1.in = j ? widths[i] : i ? widths[i - 1] : d->mid;
            vae->up[i].resnets[j].conv1.out = widths[i];
        }
        if (!vae->up[i].resnets)
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

/* conv: its sizes are known. */
static void add_conv(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_conv_weight *conv, const char *name)
{
    /* Latents and the first convolutions stay float32. */
    const int of_latents = conv->in == vae->d.zc;
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
                                        .kind = FFCL_ROW_CONV_BIAS, .conv = conv},
                     "%s.bias", name);
}

static ffcl_conv_weight conv_of(size_t out, size_t in, size_t side)
{
    return (ffcl_conv_weight){.in = in, .out = out, .side = side};
}

static void add_resnet(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_vae_resnet *r, size_t in,
                       size_t out, const char *prefix)
{
    char name[80];
    r->conv1 = conv_of(out, in, 3);
    r->conv2 = conv_of(out, out, 3);
    r->shortcut = conv_of(in == out ? 0 : out, in, 1);
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
static void add_linear(ffcl_vae *vae, ffcl_linear *l, size_t at, const char *name)
{
    const size_t C = l->w.rows;
    char full[96];
    ffcl_weights_add(&vae->weights,
                     &(ffcl_weight_row){.rank = 2, .shape = {C, C}, .kind = FFCL_ROW_MATRIX,
                                        .to = &l->w, .at = at},
                     "decoder.mid_block.attentions.0.%s.weight", name);
    snprintf(full, sizeof full, "decoder.mid_block.attentions.0.%s.bias", name);
    add_vector(vae, &l->b, C, at, full);
}

static ffcl_linear linear_of(const ffcl_vae *vae, size_t N, size_t K)
{
    ffcl_linear l = {ffcl_tensor_of(vae->dtype, 1, K, N), ffcl_tensor_of(FFCL_F32, 1, 1, N)};
    l.w.layout = vae->dtype == FFCL_F16 ? FFCL_TILES : vae->layout;
    l.w.ld = l.w.layout == FFCL_COLUMNS ? K : N;
    return l;
}

static void add_attention(ffcl_vae *vae)
{
    static const char *const names[] = {"to_q", "to_k", "to_v"};
    size_t C = vae->d.mid;
    vae->qkv = linear_of(vae, 3 * C, C);
    vae->proj = linear_of(vae, C, C);
    add_norm(vae, &vae->attention_norm, C, "decoder.mid_block.attentions.0.group_norm");
    for (size_t i = 0; i < 3; i++)
        add_linear(vae, &vae->qkv, i * C, names[i]);
    add_linear(vae, &vae->proj, 0, "to_out.0");
}

int ffcl_vae_table(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_error *err)
{
    const ffcl_vae_dims *d = &vae->d;
    char name[80];
    vae->weights.n_rows = 0;
    const int has_point = ffcl_weights_find(&vae->weights, "post_quant_conv.weight") != NULL;
    vae->post_quant = conv_of(has_point ? d->zc : 0, d->zc, 1);
    if (has_point)
        add_conv(vae, ctx, &vae->post_quant, "post_quant_conv");
    vae->conv_in = conv_of(d->mid, d->zc, 3);
    add_conv(vae, ctx, &vae->conv_in, "decoder.conv_in");
    add_resnet(vae, ctx, &vae->mid[0], d->mid, d->mid, "decoder.mid_block.resnets.0");
    if (vae->is_attentive)
        add_attention(vae);
    add_resnet(vae, ctx, &vae->mid[1], d->mid, d->mid, "decoder.mid_block.resnets.1");
    size_t width = d->mid;
    for (size_t i = 0; i < d->levels; i++) {
        ffcl_vae_level *level = &vae->up[i];
        for (size_t j = 0; j < d->layers; j++) {
            ffcl_vae_resnet *r = &level->resnets[j];
            snprintf(name, sizeof name, "decoder.up_blocks.%zu.resnets.%zu", i, j);
            add_resnet(vae, ctx, r, width, r->conv1.out, name);
            width = r->conv1.out;
        }
        snprintf(name, sizeof name, "decoder.up_blocks.%zu.upsamplers.0.conv", i);
        level->upsample = conv_of(level->upsample.out, width, 3);
        level->upsample.upsample = 1;
        if (level->upsample.out)
            add_conv(vae, ctx, &level->upsample, name);
    }
    add_norm(vae, &vae->norm_out, width, "decoder.conv_norm_out");
    vae->conv_out = conv_of(d->out, width, 3);
    add_conv(vae, ctx, &vae->conv_out, "decoder.conv_out");
    return ffcl_weights_check(&vae->weights, "VAE", err);
}
