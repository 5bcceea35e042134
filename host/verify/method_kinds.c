/* SPDX-License-Identifier: MIT
 * Recordings of samplers: latents after some steps, by names such as heun4_cfg1.8_0.3_1. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_presets.h"
#include "sample/engine.h"
#include "util.h"
#include "verify/verify.h"

/* For each step, in float32 and half; of a recording with w, which is of a trained model. */
static const double step_limit = 2e-5, half_limit = 3e-3, trained_limit = 1e-4;
static const double bytes_share = 0.999, bytes_half_share = 0.9;

/* What a name stands for. */
typedef struct method {
    const char *solver;         /* of [sampler] solver; NULL: the preset's */
    size_t steps;
    double shift, guidance, low, high;
    int is_trained;
} method;

/* The number at *text, which moves behind it: 1, or 0. */
static int take_number(const char **text, double *out)
{
    char *end = NULL;
    if (strspn(*text, "0123456789.") == 0)
        return 0;
    *out = strtod(*text, &end);
    *text = end;
    return 1;
}

static int take_word(const char **text, const char *word)
{
    const size_t n = strlen(word);
    if (strncmp(*text, word, n) != 0)
        return 0;
    *text += n;
    return 1;
}

static int parse(const char *name, method *out)
{
    static const struct { const char *word, *solver; } words[] = {
        {"sdeheun", "sde-heun"}, {"sde", "sde"}, {"heun", "heun"}, {"euler", "euler"},
        {"ddim", "ddim"},
        {"restart", "renoise"}, {"consistency", "renoise"}, {"steps", NULL},
    };
    double n = 0;
    *out = (method){.shift = 1, .guidance = 1, .low = 0, .high = 1};
    out->is_trained = take_word(&name, "teacher_");
    size_t i = 0;
    while (i < sizeof words / sizeof *words && !take_word(&name, words[i].word))
        i++;
    if (i == sizeof words / sizeof *words)
        return 0;
    out->solver = words[i].solver;
    /* torchdiffeq's name is heun2, after which the steps are one digit. */
    if (out->solver && !strcmp(out->solver, "heun") && !out->is_trained && name[0] == '2' &&
        strchr("0123456789", name[1]) && name[1])
        name++;
    if (!take_number(&name, &n) || n < 1 || n > 10000)
        return 0;
    out->steps = (size_t)n;
    if (take_word(&name, "_heun"))
        out->solver = "heun";
    if (take_word(&name, "_shift") && (!take_number(&name, &out->shift)))
        return 0;
    if (out->shift <= 0)
        out->shift = 1;
    if ((take_word(&name, "_cfg") || take_word(&name, "_w")) &&
        !take_number(&name, &out->guidance))
        return 0;
    if (take_word(&name, "_") && !take_number(&name, &out->low))
        return 0;
    if (take_word(&name, "_") && !take_number(&name, &out->high))
        return 0;
    return *name == '\0';
}

int ffcl_verify_is_method(const char *name)
{
    method m;
    return parse(name, &m);
}

static int set(ffcl_config *cfg, ffcl_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int set(ffcl_config *cfg, ffcl_error *err, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ffcl_config_set(cfg, text, err);
}

/* cfg with the method's sampler, as a copy. */
static int configure(ffcl_config **out, const ffcl_config *cfg, const method *m, ffcl_error *err)
{
    int rc = ffcl_config_copy(out, cfg, err);
    if (rc == 0 && m->solver)
        rc = set(*out, err, "sampler.solver=%s", m->solver);
    if (rc == 0)
        rc = set(*out, err, "sampler.times=uniform");
    if (rc == 0)
        rc = set(*out, err, "sampler.steps=%zu", m->steps);
    if (rc == 0)
        rc = set(*out, err, "sampler.time_shift=%.9g", m->shift);
    if (rc == 0)
        rc = set(*out, err, "sampler.guidance=%.9g", m->guidance);
    if (rc == 0)
        rc = set(*out, err, "sampler.guidance_low=%.9g", m->low);
    if (rc == 0)
        rc = set(*out, err, "sampler.guidance_high=%.9g", m->high);
    return rc;
}

/* The first n of each later noise, (later, n). */
static int read_noise(ffcl_verifier *v, size_t later, size_t n, int is_sde, float **out)
{
    *out = malloc((later * n + 1) * sizeof **out);
    if (!*out)
        return ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the noise");
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < later; k++) {
        char name[32];
        snprintf(name, sizeof name, "%snoise%zu", is_sde ? "sde_" : "", k);
        const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, name);
        rc = info && info->count >= n
                 ? ffcl_tensor_file_read_f32(v->file, info, 0, n, *out + k * n, v->err)
                 : ffcl_fail(v->err, FFCL_EFORMAT, "%s has no %s of the size of z",
                             ffcl_tensor_file_path(v->file), name);
    }
    return rc;
}

/* What the decoder gets after the method of that name, where the file has it: latent_denorm, of
 * which the recording says what it is of, or latent_denorm_NAME, as much as is needed of the name;
 * or NULL. */
static const ffcl_tensor_info *find_denorm(const ffcl_verifier *v, const char *name)
{
    static const char begin[] = "latent_denorm_";
    for (size_t i = 0; i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(v->file, i);
        const size_t n = strlen(info->name), m = sizeof begin - 1;
        if (n > m && !strncmp(info->name, begin, m) && !strncmp(name, info->name + m, n - m) &&
            (name[n - m] == '_' || name[n - m] == '\0'))
            return info;
    }
    const char *text = ffcl_tensor_file_metadata(v->file, "names");
    const char *at = text ? strstr(text, "latent_denorm") : NULL;
    const char *found = at ? strstr(at, name) : NULL;
    /* "latent_denorm and image of euler4_cfg1", "latent_denorm of consistency2_cfg1 = ...". */
    const int is_of = found && found - at < 60 && !strchr("_0123456789.", found[strlen(name)]);
    return is_of ? ffcl_tensor_file_find(v->file, "latent_denorm") : NULL;
}

/* latent_denorm by the latents (B, C, P) and the decoder's form of them. */
static int check_denorm(ffcl_verifier *v, const ffcl_engine *engine, const ffcl_tensor_info *info,
                        const float *latent, size_t n, double limit)
{
    const ffcl_latent_form *form = ffcl_engine_latent_form(engine);
    const ffcl_sit_dims *d = ffcl_engine_sit(engine);
    float *got = NULL;
    if (strcmp(form->stats, "none") == 0 && ffcl_tensor_file_find(v->file, "latent_mean")) {
        ffcl_verify_unchecked(v, info->name, "not checked: needs [vae] stats", -1);
        return 0;
    }
    got = malloc((n + 1) * sizeof *got);
    if (!got)
        return ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for latent_denorm");
    for (size_t i = 0; i < n; i++) {
        const size_t c = i / (d->R * d->R) % d->C;
        got[i] = latent[i] * form->times[c] + form->plus[c];
    }
    int rc = ffcl_verify_compare(v, info, got, n, limit);
    free(got);
    return rc;
}

/* bytes_NAME of a model that makes images, as much as is needed of the name; with guidance, as
 * samplers have it. */
static const ffcl_tensor_info *find_bytes(const ffcl_verifier *v, const ffcl_engine *engine,
                                          const char *name, const method *m)
{
    const size_t S = ffcl_engine_side(engine), B = ffcl_tensor_file_find(v->file, "z")->shape[0];
    for (size_t i = 0; S && m->guidance != 1 && i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(v->file, i);
        const size_t n = strlen(info->name);
        if (n > 6 && !strncmp(info->name, "bytes_", 6) && !strncmp(name, info->name + 6, n - 6) &&
            name[n - 6] == '_' && info->count == B * S * S * 3)
            return info;
    }
    return NULL;
}

/* image (B, 3, S, S) and bytes (B, S, S, 3), decoded from those latents. */
static int check_image(ffcl_verifier *v, const ffcl_engine *engine, const ffcl_step *step)
{
    const ffcl_tensor_info *image = ffcl_tensor_file_find(v->file, "image");
    const ffcl_tensor_info *bytes = ffcl_tensor_file_find(v->file, "bytes");
    const int is_half = ffcl_engine_dtype(engine) == FFCL_F16;
    const size_t side = ffcl_engine_sit(engine)->R * ffcl_engine_vae(engine)->upscale;
    const size_t P = side * side, n = step->B * P * 3;
    float *turned = malloc((n + 1) * sizeof *turned);
    if (!turned)
        return ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the images");
    for (size_t b = 0; b < step->B; b++)
        for (size_t p = 0; p < P; p++)
            for (size_t c = 0; c < 3; c++)
                turned[(b * 3 + c) * P + p] = step->image[(b * P + p) * 3 + c];
    int rc = ffcl_verify_compare(v, image, turned, n, is_half ? 10 * half_limit : 4 * step_limit);
    if (rc == 0 && bytes)
        rc = ffcl_verify_compare_bytes(v, bytes, step->bytes, n, is_half ? 0.9 : 0.999,
                                       is_half ? 3 : 1);
    free(turned);
    return rc;
}

static int check_method(ffcl_verifier *v, ffcl_engine *engine, const ffcl_config *resolved,
                        const ffcl_tensor_info *info, const method *m, const ffcl_step *inputs)
{
    const int is_half = ffcl_engine_dtype(engine) == FFCL_F16;
    const double limit = m->is_trained ? (is_half ? half_limit * 10 : trained_limit)
                                       : is_half ? half_limit : step_limit * (double)m->steps;
    const size_t n = ffcl_tensor_file_find(v->file, "z")->count;
    ffcl_config *cfg = NULL;
    float *noise = NULL, *latent = malloc((n + 1) * sizeof *latent);
    int rc = latent ? configure(&cfg, resolved, m, v->err)
                    : ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for %s", info->name);
    if (rc == 0)
        rc = ffcl_engine_reschedule(engine, cfg, v->err);
    if (rc == 0)
        rc = read_noise(v, ffcl_engine_schedule(engine)->n_noise, n,
                        m->solver && !strncmp(m->solver, "sde", 3), &noise);
    const ffcl_tensor_info *bytes = rc == 0 ? find_bytes(v, engine, info->name, m) : NULL;
    const ffcl_tensor_info *denorm = find_denorm(v, info->name);
    const ffcl_tensor_info *image = rc == 0 && ffcl_engine_vae(engine) && denorm
                                        ? ffcl_tensor_file_find(v->file, "image") : NULL;
    /* As many as the engine makes, whatever the recording has. */
    const size_t S = rc == 0 ? ffcl_engine_side(engine) : 0;
    const size_t pixels = bytes || image ? inputs->B * S * S * 3 : 0;
    ffcl_step step = {.B = inputs->B, .z = inputs->z, .y = inputs->y, .noise = noise,
                      .latent = latent, .bytes = pixels ? malloc(pixels) : NULL,
                      .image = image ? malloc(pixels * sizeof *step.image) : NULL};
    if (rc == 0 && pixels && (!step.bytes || (image && !step.image)))
        rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the images");
    if (rc == 0)
        rc = ffcl_engine_run(engine, &step, v->err);
    if (rc == 0)
        rc = ffcl_verify_compare(v, info, latent, n, limit);
    if (rc == 0 && denorm)
        rc = check_denorm(v, engine, denorm, latent, n, limit);
    if (rc == 0 && bytes)
        rc = ffcl_verify_compare_bytes(v, bytes, step.bytes, bytes->count,
                                       is_half ? bytes_half_share : bytes_share, is_half ? 3 : 1);
    if (rc == 0 && image)
        rc = check_image(v, engine, &step);
    free(step.image);
    free(step.bytes);
    ffcl_config_close(&cfg);
    free(noise);
    free(latent);
    return rc;
}

int ffcl_verify_methods(ffcl_verifier *v, const ffcl_sit_hints *hints)
{
    const ffcl_tensor_info *z = ffcl_tensor_file_find(v->file, "z");
    method first, m;
    size_t i = 0, n = ffcl_tensor_file_count(v->file);
    while (i < n && !parse(ffcl_tensor_file_at(v->file, i)->name, &first))
        i++;
    if (i == n || !z || z->rank != 4)
        return 0;
    const size_t B = z->shape[0];
    const char *vae = ffcl_tensor_file_metadata(v->file, "vae");
    const char *groups = vae ? strstr(vae, "norm_num_groups") : NULL;
    ffcl_engine_wants wants = {
        .sit = 1, .vae = ffcl_tensor_file_find(v->file, "image") && vae, .batch = B, .count = B,
        .own_labels = 1, .own_noise = 1, .hints = *hints,
        .groups_hint = groups ? strtoull(groups + strcspn(groups, "0123456789"), NULL, 10) : 0};
    ffcl_config *cfg = NULL, *resolved = NULL;
    ffcl_engine *engine = NULL;
    float *values = NULL;
    int32_t *y = NULL;
    /* The preset's own steps may be many, and all are planned. */
    int rc = ffcl_config_copy(&resolved, v->cfg, v->err);
    if (rc == 0)
        rc = ffcl_family_resolve(resolved, 0, v->err);
    if (rc == 0)
        rc = configure(&cfg, resolved, &first, v->err);
    /* Without a decoder the latents are images. */
    wants.vae |= rc == 0 && strcmp(cfg->vae.weights, "none") == 0;
    if (rc == 0)
        rc = ffcl_engine_open(&engine, cfg, &wants, v->obs, v->err);
    if (rc == 0)
        rc = ffcl_verify_latents(v, "z", ffcl_engine_sit(engine)->C, ffcl_engine_sit(engine)->R);
    if (rc == 0)
        rc = ffcl_verify_floats(v, "z", &values);
    if (rc == 0)
        rc = ffcl_verify_labels(v, ffcl_engine_sit(engine), B, &y);
    const ffcl_step inputs = {.B = B, .z = values, .y = y};
    for (; rc == 0 && i < n; i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(v->file, i);
        if (parse(info->name, &m))
            rc = check_method(v, engine, resolved, info, &m, &inputs);
    }
    ffcl_engine_close(&engine);
    ffcl_config_close(&cfg);
    ffcl_config_close(&resolved);
    free(values);
    free(y);
    return rc;
}
