/* SPDX-License-Identifier: MIT
 * ffcl inspect: what a file is. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "files/input.h"
#include "files/png.h"
#include "files/shards.h"
#include "files/tensorfile.h"
#include "model/family.h"
#include "model/sit.h"
#include "model/vae.h"
#include "program/command.h"
#include "util.h"

/* What is said of a file, as lines or as one JSON object. */
typedef struct report {
    cJSON *json;                /* NULL: lines are printed */
} report;

static void say(const report *r, const char *name, const char *text)
{
    if (r->json)
        cJSON_AddStringToObject(r->json, name, text);
    else
        printf("%-12s %s\n", name, text);
}

static void say_number(const report *r, const char *name, double number)
{
    if (r->json)
        cJSON_AddNumberToObject(r->json, name, number);
    else
        printf("%-12s %.0f\n", name, number);
}

static const char *type_name(ffcl_dtype type)
{
    static const char *const names[] = {"float32", "float16", "bfloat16", "float64",
                                        "float8_e4m3fn", "float8_e5m2", "int64", "int32",
                                        "int16", "int8", "uint8", "bool"};
    return names[type];
}

/* ---- tensors ------------------------------------------------------------------------------ */

static void list_tensors(const report *r, const ffcl_tensor_file *file)
{
    cJSON *list = r->json ? cJSON_AddArrayToObject(r->json, "list") : NULL;
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
        const ffcl_tensor_info *t = ffcl_tensor_file_at(file, i);
        const char *type = t->unread ? t->unread : type_name(t->dtype);
        char shape[160];
        ffcl_shape_text(shape, sizeof shape, t->shape, t->rank);
        if (!list) {
            printf("  %-52s %-16s %s\n", t->name, shape, type);
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

/* Whether the file is a transformer that ffcl runs: 1, with what it is, or 0 and why. */
static int describe_sit(const report *r, const char *path, ffcl_error *why)
{
    ffcl_config *cfg = NULL;
    ffcl_sit *sit = NULL;
    const ffcl_sit_hints none = {0}, one = {.heads = 1};
    ffcl_error ignored = {0};
    char text[400], *assignment = ffcl_format("model.checkpoint=%s", path);
    int rc = assignment ? ffcl_config_open(&cfg, NULL, why) : FFCL_ENOMEM;
    if (!rc)
        rc = ffcl_config_set(cfg, assignment, why);
    const int is_open = !rc && ffcl_family_resolve(cfg, 1, &ignored);
    if (!rc)
        rc = ffcl_sit_open(&sit, cfg, &none, why);
    const int lacks_heads = rc == FFCL_ECONFIG && !ffcl_sit_open(&sit, cfg, &one, &ignored);
    if (sit) {
        const ffcl_sit_dims *d = ffcl_sit_dims_of(sit);
        char heads[32] = "unknown";
        if (!lacks_heads)
            snprintf(heads, sizeof heads, "%zu", d->H);
        snprintf(text, sizeof text, "SiT: %zu blocks of width %zu, heads: %s, patches of %zu", d->L,
                 d->D, heads, d->p);
        say(r, "model", text);
        snprintf(text, sizeof text, "%zu classes, latents of %zu x %zu x %zu", d->classes, d->C,
                 d->R, d->R);
        say(r, "images", text);
        for (size_t i = 0; i < d->embedders; i++)
            say(r, "embedder", ffcl_sit_condition(sit, i)->prefix);
        if (lacks_heads)
            say(r, "missing", "the number of heads is in no tensor: set [model] heads");
        if (is_open)
            say(r, "missing", ignored.code ? ignored.text : "the preset");
    }
    const int is_sit = sit != NULL;
    ffcl_sit_close(&sit);
    ffcl_config_close(&cfg);
    free(assignment);
    return is_sit;
}

static int describe_vae(const report *r, const char *path, ffcl_error *why)
{
    ffcl_vae *vae = NULL;
    char text[200];
    const int rc = ffcl_vae_open(&vae, path, &(ffcl_vae_options){.wrapper = "auto"}, why);
    if (!rc) {
        const ffcl_vae_dims *d = ffcl_vae_dims_of(vae);
        snprintf(text, sizeof text, "VAE decoder: %zu latent channels, group norms of %zu%s, "
                 "images %zu times as wide as latents", d->zc, d->groups,
                 d->has_config ? "" : " (assumed: there is no config.json)", d->upscale);
        say(r, "model", text);
    }
    ffcl_vae_close(&vae);
    return rc == 0;
}

static int inspect_tensors(ffcl_session *s, const report *r, const char *path)
{
    ffcl_tensor_file *file = NULL;
    ffcl_error sit = {0}, vae = {0};
    int rc = ffcl_tensor_file_open(&file, path, &s->err);
    if (rc)
        return rc;
    say(r, "format", "weights");
    say_number(r, "tensors", (double)ffcl_tensor_file_count(file));
    say_number(r, "parameters", count_parameters(file));
    if (ffcl_tensor_file_foreign(file))
        say(r, "calls", ffcl_tensor_file_foreign(file));
    if (!describe_sit(r, path, &sit) && !describe_vae(r, path, &vae)) {
        say(r, "model", "none that ffcl runs");
        say(r, "not a SiT", sit.text);
        say(r, "not a VAE", vae.text);
    }
    if (ffcl_option_text(s, "tensors") || r->json)
        list_tensors(r, file);
    ffcl_tensor_file_close(&file);
    return 0;
}

/* ---- images, manifests -------------------------------------------------------------------- */

static int inspect_png(ffcl_session *s, const report *r, const char *path)
{
    uint8_t *rgb = NULL;
    size_t height = 0, width = 0;
    char text[64];
    const int rc = ffcl_png_read(path, &rgb, &height, &width, &s->err);
    if (!rc) {
        say(r, "format", "PNG");
        snprintf(text, sizeof text, "%zu x %zu", width, height);
        say(r, "size", text);
    }
    free(rgb);
    return rc;
}

static int inspect_manifest(ffcl_session *s, const report *r, const char *path)
{
    enum { MOST = 256 << 20 };
    char *text = NULL;
    size_t n = 0;
    int rc = ffcl_input_read(&text, &n, path, MOST, &s->err);
    cJSON *root = rc ? NULL : cJSON_ParseWithLength(text, n), *one = NULL;
    free(text);
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(root, "settings");
    if (!rc && !cJSON_IsObject(settings)) {
        s->err.code = rc = FFCL_EFORMAT;
        snprintf(s->err.text, sizeof s->err.text, "%.500s is no manifest of ffcl's", path);
    }
    if (!rc) {
        say(r, "format", "manifest of a sample set");
        cJSON_ArrayForEach(one, settings)
            if (cJSON_IsString(one))
                say(r, one->string, one->valuestring);
        say_number(r, "runs", cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "runs")));
        say_number(r, "bad", cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "bad")));
    }
    cJSON_Delete(root);
    return rc;
}

/* Is it the index of sharded weights, or one that must be told what is wrong with it? */
static int is_index(const char *path)
{
    ffcl_shards shards;
    const int rc = ffcl_shards_read(&shards, path, NULL);
    const int is_one = rc != 0 || shards.n > 0;
    ffcl_shards_close(&shards);
    return is_one;
}

/* The kind of file by its first bytes: 'P' a PNG, '{' JSON, else what may hold tensors. */
static char kind_of(const char *path)
{
    unsigned char head[4] = {0};
    FILE *file = fopen(path, "rb");
    const size_t n = file ? fread(head, 1, sizeof head, file) : 0;
    if (file)
        fclose(file);
    if (n == sizeof head && !memcmp(head, "\x89PNG", 4))
        return 'P';
    /* Of safetensors the first bytes are a length, whose fourth is 0. */
    if (n == sizeof head && head[0] == '{' && head[1] && head[2] && head[3])
        return is_index(path) ? 'T' : '{';
    return 'T';
}

static int run_inspect(ffcl_session *s)
{
    report r = {.json = NULL};
    if (s->n_words != 1)
        return ffcl_bad_usage(s, "inspect takes one file", s->n_words ? s->words[1] : "");
    const char *path = s->words[0];
    const int shut = ffcl_option_text(s, "sandbox")
                         ? ffcl_sandbox(&(ffcl_sandbox_request){.reads = {path}}, &s->err) : 0;
    if (shut)
        return shut;
    if (ffcl_option_text(s, "json"))
        r.json = cJSON_CreateObject();
    say(&r, "file", path);
    const char kind = kind_of(path);
    const int rc = kind == 'P' ? inspect_png(s, &r, path)
                   : kind == '{' ? inspect_manifest(s, &r, path) : inspect_tensors(s, &r, path);
    char *text = r.json && !rc ? cJSON_Print(r.json) : NULL;
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(r.json);
    return rc;
}

static const ffcl_option options[] = {
    {"tensors", 't', NULL, "list every tensor with its shape and type", NULL},
    {"json", 0, NULL, "as JSON, tensors included", NULL},
    FFCL_OPTION_SANDBOX,
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_inspect_command = {
    .name = "inspect", .summary = "say what a checkpoint, VAE, PNG or manifest is",
    .usage = "inspect FILE\n", .options = options,
    .help = "Of weights: tensors, parameters, the model that ffcl recognises and what must\n"
            "still be set for it, or why it is none. Nothing in the file is run.\n",
    .run = run_inspect,
};
