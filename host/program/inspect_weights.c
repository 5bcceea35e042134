/* SPDX-License-Identifier: MIT
 * ffcl inspect, of weights: tensors, and the model that they are. */
#include <stdlib.h>
#include <string.h>

#include "model/family.h"
#include "model/sit.h"
#include "model/vae.h"
#include "program/inspect.h"
#include "util.h"

static const char *type_name(ffcl_dtype type)
{
    static const char *const names[] = {"float32", "float16", "bfloat16", "float64",
                                        "float8_e4m3fn", "float8_e5m2", "int64", "int32",
                                        "int16", "int8", "uint8", "bool"};
    return names[type];
}

static void list_tensors(const ffcl_findings *f, const ffcl_tensor_file *file)
{
    cJSON *list = f->json ? cJSON_AddArrayToObject(f->json, "list") : NULL;
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
        const ffcl_tensor_info *t = ffcl_tensor_file_at(file, i);
        const char *type = t->unread ? t->unread : type_name(t->dtype);
        char shape[160];
        ffcl_shape_text(shape, sizeof shape, t->shape, t->rank);
        if (!list) {
            ffcl_help_line(stdout, 6, "  %-52s %-16s %s", t->name, shape, type);
            continue;
        }
        cJSON *one = cJSON_CreateObject(), *sizes = cJSON_AddArrayToObject(one, "shape");
        cJSON_AddStringToObject(one, "name", t->name);
        for (int k = 0; k < t->rank; k++)
            cJSON_AddItemToArray(sizes, cJSON_CreateNumber((double)t->shape[k]));
        cJSON_AddStringToObject(one, "type", type);
        cJSON_AddItemToArray(list, one);
    }
}

static double count_parameters(const ffcl_tensor_file *file)
{
    double n = 0;
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++)
        n += ffcl_tensor_file_at(file, i)->unread ? 0 : (double)ffcl_tensor_file_at(file, i)->count;
    return n;
}

/* Does a failure say nothing of what the file is: memory, a disk? */
static int is_of_system(const ffcl_error *err)
{
    return err->code == FFCL_ENOMEM || err->code == FFCL_EFILE;
}

/* Whether the file is a transformer that ffcl runs: 1, with what it is, or 0 and why. */
static int describe_sit(const ffcl_findings *f, const char *path, const char *wrapper,
                        ffcl_error *why)
{
    ffcl_config *cfg = NULL;
    ffcl_sit *sit = NULL;
    const ffcl_sit_hints none = {0}, one = {.heads = 1};
    ffcl_error ignored = {0};
    char text[400], *assignments[] = {ffcl_format("model.checkpoint=%s", path),
                                      ffcl_format("model.wrapper=%s", wrapper)};
    int rc = assignments[0] && assignments[1]
                 ? ffcl_config_open(&cfg, NULL, why)
                 : ffcl_fail(why, FFCL_ENOMEM, "out of memory for the name of %s", path);
    for (size_t i = 0; !rc && i < 2; i++)
        rc = ffcl_config_set(cfg, assignments[i], why);
    const int is_open = !rc && ffcl_family_resolve(cfg, 1, &ignored);
    if (!rc)
        rc = ffcl_sit_open(&sit, cfg, &none, why);
    const ffcl_error no_heads = *why;
    ffcl_error second = {0};
    const int lacks_heads = rc == FFCL_ECONFIG && !ffcl_sit_open(&sit, cfg, &one, &second);
    if (is_of_system(&ignored) || is_of_system(&second)) {
        *why = is_of_system(&ignored) ? ignored : second;
        ffcl_sit_close(&sit);
        rc = why->code;
    }
    if (second.code)
        ignored = second;           /* what is missing beside the heads */
    if (sit) {
        const ffcl_sit_dims *d = ffcl_sit_dims_of(sit);
        char heads[32] = "unknown";
        if (!lacks_heads)
            snprintf(heads, sizeof heads, "%zu", d->H);
        snprintf(text, sizeof text, "SiT: %zu blocks of width %zu, heads: %s, patches of %zu", d->L,
                 d->D, heads, d->p);
        ffcl_find_text(f, "model", text);
        snprintf(text, sizeof text, "%zu classes, latents of %zu x %zu x %zu", d->classes, d->C,
                 d->R, d->R);
        ffcl_find_text(f, "images", text);
        for (size_t i = 0; i < d->embedders; i++)
            ffcl_find_item(f, "embedder", ffcl_sit_condition(sit, i)->prefix);
        if (lacks_heads)
            ffcl_find_item(f, "missing", no_heads.text);
        if (is_open)
            ffcl_find_item(f, "missing", ignored.code ? ignored.text : "the preset");
    }
    /* Keys decide the rest, and the tensors may be right. */
    const int needs_keys = !sit && rc == FFCL_ECONFIG;
    if (needs_keys) {
        ffcl_find_text(f, "model", "a transformer, of which keys must say more");
        ffcl_find_item(f, "missing", why->text);
        if (is_open && ignored.code && strcmp(ignored.text, why->text))
            ffcl_find_item(f, "missing", ignored.text);
    }
    const int is_sit = sit || needs_keys;
    ffcl_sit_close(&sit);
    ffcl_config_close(&cfg);
    free(assignments[0]);
    free(assignments[1]);
    return is_sit;
}

static int describe_vae(const ffcl_findings *f, const char *path, const char *wrapper,
                        ffcl_error *why)
{
    ffcl_vae *vae = NULL;
    char text[200];
    const int rc = ffcl_vae_open(&vae, path, &(ffcl_vae_options){.wrapper = wrapper}, why);
    if (!rc) {
        const ffcl_vae_dims *d = ffcl_vae_dims_of(vae);
        if (d->is_tiny)
            snprintf(text, sizeof text, "tiny decoder: %zu latent channels, as the generator makes "
                     "them, images %zu times as wide as latents", d->zc, d->upscale);
        else
            snprintf(text, sizeof text, "VAE decoder: %zu latent channels, group norms of %zu%s, "
                     "images %zu times as wide as latents", d->zc, d->groups,
                     d->has_config ? "" : " (assumed: there is no config.json)", d->upscale);
        ffcl_find_text(f, "model", text);
    }
    ffcl_vae_close(&vae);
    return rc == 0;
}

int ffcl_inspect_model(const ffcl_findings *f, const char *path, const char *wrapper,
                       ffcl_error *err)
{
    ffcl_error sit = {0}, vae = {0};
    if (describe_sit(f, path, wrapper, &sit) ||
        (!is_of_system(&sit) && describe_vae(f, path, wrapper, &vae)))
        return 0;
    if (is_of_system(&sit) || is_of_system(&vae)) {
        *err = is_of_system(&sit) ? sit : vae;
        return err->code;
    }
    ffcl_find_text(f, "model", "none that ffcl runs");
    ffcl_find_text(f, "not a SiT", sit.text);
    ffcl_find_text(f, "not a VAE", vae.text);
    return 0;
}

int ffcl_inspect_open(ffcl_tensor_file **out, const char *path, const char *wrapper,
                      ffcl_error *err)
{
    ffcl_error other;
    const int rc = ffcl_tensor_file_open_as(out, path, wrapper, 0, err);
    if (rc != FFCL_EFORMAT || ffcl_tensor_file_open_as(out, path, wrapper, 1, &other))
        return rc;
    *err = (ffcl_error){0};
    return 0;
}

int ffcl_inspect_weights(ffcl_session *s, const ffcl_findings *f, const char *path)
{
    ffcl_tensor_file *file = NULL;
    int rc = ffcl_inspect_open(&file, path, "auto", &s->err);
    if (rc)
        return rc;
    ffcl_find_text(f, "format", "weights");
    if (ffcl_tensor_file_taken(file))
        ffcl_find_text(f, "taken", ffcl_tensor_file_taken(file));
    ffcl_find_number(f, "tensors", (double)ffcl_tensor_file_count(file));
    ffcl_find_number(f, "parameters", count_parameters(file));
    if (ffcl_tensor_file_foreign(file))
        ffcl_find_text(f, "calls", ffcl_tensor_file_foreign(file));
    rc = ffcl_inspect_model(f, path, "auto", &s->err);
    if (!rc && (ffcl_option_text(s, "tensors") || f->json))
        list_tensors(f, file);
    ffcl_tensor_file_close(&file);
    return rc;
}
