/* SPDX-License-Identifier: MIT
 * Where the config.json of a VAE's weights lies, and the values of it that kinds of decoders
 * share. */
#include "model/vae_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/input.h"
#include "util.h"

int ffcl_vae_find_config(const char *path, char **config, char **text, ffcl_error *err)
{
    enum { MOST = 1 << 20 };
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    size_t stem = dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path), n = 0;
    *text = NULL;
    *config = ffcl_format("%.*s.config.json", (int)stem, path);
    if (*config && ffcl_input_is_absent(*config)) {
        char *dir = ffcl_path_dir(path);
        free(*config);
        *config = dir ? ffcl_path_join(dir, "config.json") : NULL;
        free(dir);
    }
    if (!*config)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the VAE");
    return ffcl_input_is_absent(*config) ? 0 : ffcl_input_read(text, &n, *config, MOST, err);
}

int ffcl_vae_config_number(const char *path, const cJSON *json, const char *key, double least,
                           double *n, ffcl_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!item)
        return 0;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= least && item->valuedouble <= 1e6) ||
        (least >= 1 && item->valuedouble != (double)(size_t)item->valuedouble))
        return ffcl_fail(err, FFCL_EFORMAT, "%s gives %s, and not as a %s number", path, key,
                         least >= 1 ? "positive whole" : "positive");
    *n = item->valuedouble;
    return 0;
}

int ffcl_vae_config_count(const ffcl_vae *vae, const char *path, const cJSON *json,
                          const char *key, size_t tensors, ffcl_error *err)
{
    double given = (double)tensors;
    int rc = ffcl_vae_config_number(path, json, key, 1, &given, err);
    if (rc || given == (double)tensors)
        return rc;
    return ffcl_fail(err, FFCL_EWEIGHTS, "%s gives %s = %.0f, and the tensors in %s make it %zu",
                     path, key, given, ffcl_tensor_file_path(vae->weights.file), tensors);
}

int ffcl_vae_config_part(const ffcl_vae *vae, const char *path, const cJSON *json,
                         const char *key, int is_there, ffcl_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (item && !cJSON_IsBool(item))
        return ffcl_fail(err, FFCL_EFORMAT, "%s gives %s, and not as true or false", path, key);
    if (!item || cJSON_IsTrue(item) == is_there)
        return 0;
    return ffcl_fail(err, FFCL_EWEIGHTS, "%s gives %s = %s, and %s has %s", path, key,
                     is_there ? "false" : "true", ffcl_tensor_file_path(vae->weights.file),
                     is_there ? "its tensors" : "none of its tensors");
}

int ffcl_vae_config_word(const char *path, const cJSON *json, const char *key,
                         const char *const *known, ffcl_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    const char *text = cJSON_GetStringValue(item);
    for (size_t k = 0; text && known[k]; k++)
        if (!strcmp(text, known[k]))
            return 0;
    return !item ? 0 : ffcl_fail(err, FFCL_EWEIGHTS, "%s gives %s = %.80s, and what ffcl decodes "
                                 "these tensors with is %s", path, key, text ? text : "no text",
                                 known[0]);
}

/* A number of any sign. */
static int take_real(const char *path, const cJSON *json, const char *key, double *n,
                     ffcl_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!item || cJSON_IsNull(item))
        return 0;
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= 1e6))
        return ffcl_fail(err, FFCL_EFORMAT, "%s gives %s, and not as a number", path, key);
    *n = item->valuedouble;
    return 0;
}

/* zc numbers, of at least `least`, *list new; NULL where the key is absent. */
static int take_channels(const char *path, const cJSON *json, const char *key, size_t zc,
                         double least, float **list, ffcl_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!item || cJSON_IsNull(item))
        return 0;
    if (!cJSON_IsArray(item) || (size_t)cJSON_GetArraySize(item) != zc)
        return ffcl_fail(err, FFCL_EFORMAT, "%s gives %s, and not as a list of %zu numbers, one "
                         "for each latent channel", path, key, zc);
    *list = malloc(zc * sizeof **list);
    if (!*list)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the VAE");
    for (size_t i = 0; i < zc; i++) {
        const cJSON *one = cJSON_GetArrayItem(item, (int)i);
        if (!cJSON_IsNumber(one) || !(fabs(one->valuedouble) <= 1e6) || one->valuedouble < least)
            return ffcl_fail(err, FFCL_EFORMAT, "%s gives %s, and not as %snumbers", path, key,
                             least > 0 ? "positive " : "");
        (*list)[i] = (float)one->valuedouble;
    }
    return 0;
}

/* What is done to latents before they are decoded. */
static int read_form(ffcl_vae *vae, const char *path, const cJSON *json, ffcl_error *err)
{
    ffcl_vae_dims *d = &vae->d;
    int rc = ffcl_vae_config_number(path, json, "scaling_factor", 1e-6, &d->scaling, err);
    if (rc == 0)
        rc = take_real(path, json, "shift_factor", &d->shift, err);
    if (rc == 0)
        rc = take_channels(path, json, "latents_mean", d->zc, -1e6, &d->mean, err);
    if (rc == 0)
        rc = take_channels(path, json, "latents_std", d->zc, 1e-6, &d->std, err);
    if (rc == 0 && !d->mean != !d->std)
        rc = ffcl_fail(err, FFCL_EFORMAT, "%s gives one of latents_mean and latents_std without "
                       "the other", path);
    return rc;
}

static int check_once(const char *path, const cJSON *json, const char *const *keys,
                      ffcl_error *err)
{
    /* Of two values readers take the first or the last. */
    for (size_t i = 0; keys[i]; i++)
        if (ffcl_json_times(json, keys[i]) > 1)
            return ffcl_fail(err, FFCL_EFORMAT, "%s gives %s more than once", path, keys[i]);
    return 0;
}

static int is_among(const char *key, const char *const *keys)
{
    for (size_t i = 0; keys[i]; i++)
        if (!strcmp(keys[i], key))
            return 1;
    return 0;
}

/* Keys that say what nobody here computes, to be named: a network of another epsilon, say, decodes
 * to other images. */
static void list_unknown(ffcl_vae *vae, const cJSON *json, const char *const *shared,
                         const char *const *keys)
{
    /* Of the encoder, of where the weights come from, and of types that hold them. */
    static const char *const passive[] = {
        "_diffusers_version", "_name_or_path", "in_channels", "down_block_types", "sample_size",
        "force_upcast", "use_quant_conv", "block_out_channels", "encoder_block_out_channels",
        "num_encoder_blocks", "latent_magnitude", "latent_shift", "torch_dtype", "dtype", NULL};
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, json) {
        const size_t used = strlen(vae->d.unknown);
        if (is_among(one->string, shared) || is_among(one->string, keys) ||
            is_among(one->string, passive))
            continue;
        snprintf(vae->d.unknown + used, sizeof vae->d.unknown - used, "%s%.60s", used ? ", " : "",
                 one->string);
    }
}

int ffcl_vae_config_open(ffcl_vae *vae, cJSON **json, const char *path, const char *text,
                         const char *const *keys, ffcl_error *err)
{
    static const char *const shared[] = {
        "_class_name", "act_fn", "latent_channels", "out_channels", "scaling_factor",
        "shift_factor", "latents_mean", "latents_std", NULL};
    const char *const names[] = {vae->kind->name, NULL};
    int rc = ffcl_json_parse(json, text, strlen(text), NULL, path, err);
    if (rc == FFCL_EFORMAT)
        return ffcl_fail(err, rc, "%s is no JSON object", path);
    if (rc == 0)
        rc = check_once(path, *json, shared, err);
    if (rc == 0)
        rc = check_once(path, *json, keys, err);
    if (rc == 0)
        rc = ffcl_vae_config_word(path, *json, "_class_name", names, err);
    if (rc == 0)
        rc = ffcl_vae_config_word(path, *json, "act_fn", vae->kind->activations, err);
    if (rc == 0)
        rc = ffcl_vae_config_count(vae, path, *json, "latent_channels", vae->d.zc, err);
    if (rc == 0)
        rc = ffcl_vae_config_count(vae, path, *json, "out_channels", vae->d.out, err);
    if (rc == 0)
        list_unknown(vae, *json, shared, keys);
    return rc ? rc : read_form(vae, path, *json, err);
}
