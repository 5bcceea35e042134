/* SPDX-License-Identifier: MIT
 * What the decoder gets of a latent: [vae] scale, shift and stats, config.json and the batch norm
 * of REPA-E. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "sample/engine_impl.h"

/* What files call a mean and its deviation. */
static const struct pair {
    const char *mean, *std;
    enum { DEVIATION, INVERSE, VARIANCE } kind; /* of what is called std */
} pairs[] = {
    {"mean", "std", DEVIATION},
    {"latent_mean", "latent_std", DEVIATION},
    {"latents_bias", "latents_scale", INVERSE},
    /* A batch norm's, without its eps, as REPA-E's samplers take it. */
    {"bn.running_mean", "bn.running_var", VARIANCE},
};
enum { N_PAIRS = sizeof pairs / sizeof *pairs };

/* The C values of a tensor. */
static int take(float *out, size_t C, ffcl_tensor_file *file, const ffcl_tensor_info *info,
                ffcl_error *err)
{
    if (info->count != C)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s has %zu values in %s, for %zu latent channels",
                         ffcl_tensor_file_path(file), info->count, info->name, C);
    return ffcl_tensor_file_read_f32(file, info, 0, C, out, err);
}

/* A pair that is there whole: C deviations and C means behind them, into out. */
static int take_pair(float *out, size_t C, ffcl_tensor_file *file, const struct pair *p,
                     const ffcl_tensor_info *m, const ffcl_tensor_info *s, ffcl_error *err)
{
    float *std = out, *mean = out + C;
    int rc = take(mean, C, file, m, err);
    if (rc == 0)
        rc = take(std, C, file, s, err);
    for (size_t c = 0; rc == 0 && c < C; c++) {
        if (p->kind == INVERSE)
            std[c] = 1.0f / std[c];
        if (p->kind == VARIANCE)
            std[c] = (float)sqrt((double)std[c]);
        if (!isfinite(std[c]) || !isfinite(mean[c]) || !(std[c] > 0))
            rc = ffcl_fail(err, FFCL_EWEIGHTS, "%s has a mean that is not finite, or a deviation "
                           "that is not above 0", ffcl_tensor_file_path(file));
    }
    return rc;
}

/* The same numbers, but for the rounding of an inverse or of a root. */
static int agree(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-5f * fmaxf(fabsf(a[i]), fabsf(b[i]))))
            return 0;
    return 1;
}

/* Mean and deviation of a file, of one pair: half of one and half of another are no statistics.
 * Of a checkpoint the batch norm's alone: mean and std may be anything there. */
static int read_stats(ffcl_engine *e, const char *path, int of_checkpoint, ffcl_error *err)
{
    const size_t C = e->C;
    const struct pair *taken = NULL;
    const char *half = NULL, *missing = NULL;
    ffcl_tensor_file *file = NULL;
    float *other = calloc(2 * C + 1, sizeof *other);
    if (!other)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %zu latent channels", C);
    /* A batch norm lies beside the model's weights, whatever file that is. */
    int rc = of_checkpoint ? ffcl_tensor_file_reopen(&file, ffcl_sit_file(e->sit), err)
                           : ffcl_tensor_file_open(&file, path, err);
    for (int i = of_checkpoint ? N_PAIRS - 1 : 0; rc == 0 && i < N_PAIRS; i++) {
        const struct pair *p = &pairs[i];
        const ffcl_tensor_info *m = ffcl_tensor_file_find(file, p->mean);
        const ffcl_tensor_info *s = ffcl_tensor_file_find(file, p->std);
        if (m && s) {
            rc = take_pair(taken ? other : e->form_values, C, file, p, m, s, err);
            if (rc == 0 && taken && !agree(e->form_values, other, 2 * C))
                rc = ffcl_fail(err, FFCL_EWEIGHTS, "%s has %s and %s, and other numbers in %s and "
                               "%s: [vae] stats needs a file with one of the two", path,
                               taken->mean, taken->std, p->mean, p->std);
            taken = taken ? taken : p;
        } else if ((m || s) && !half) {
            half = m ? p->mean : p->std;
            missing = m ? p->std : p->mean;
        }
    }
    if (rc == 0 && !taken && half)
        rc = ffcl_fail(err, FFCL_EWEIGHTS, "%s has %s and no %s: [vae] stats needs both", path,
                       half, missing);
    else if (rc == 0 && !taken)
        rc = ffcl_fail(err, FFCL_EWEIGHTS, "%s has no %s: [vae] stats needs them", path,
                       of_checkpoint ? "bn.running_mean and bn.running_var"
                                     : "mean and std, latents_bias and latents_scale, or a batch "
                                       "norm (bn.running_mean and bn.running_var)");
    ffcl_tensor_file_close(&file);
    free(other);
    return rc;
}

/* Of ImageNet's latents by the Stable Diffusion VAE, as in the code of iMF. */
static int take_imagenet(ffcl_engine *e, ffcl_error *err)
{
    static const float mean[] = {0.86488f, -0.27787343f, 0.21616915f, 0.3738409f};
    static const float std[] = {4.85503674f, 5.31922414f, 3.93725398f, 3.9870003f};
    if (e->C != 4)
        return ffcl_fail(err, FFCL_ECONFIG, "[vae] stats = sd-imagenet has 4 channels, and the "
                         "latents of %s have %zu", e->cfg->model.checkpoint, e->C);
    memcpy(e->form_values, std, sizeof std);
    memcpy(e->form_values + e->C, mean, sizeof mean);
    return 0;
}

/* A tiny decoder imitates an autoencoder together with what is done to its latents, so that what a
 * preset or an INI file says of that autoencoder would be done twice. */
static int check_tiny(const ffcl_engine *e, int has_stats, ffcl_error *err)
{
    const ffcl_config *cfg = e->cfg;
    const int is_scaled = !isnan(cfg->vae.scale) && cfg->vae.scale != 1;
    if (!e->sit || !e->vae || !ffcl_vae_dims_of(e->vae)->is_tiny)
        return 0;
    if (has_stats)
        return ffcl_fail(err, FFCL_ECONFIG, "%s is a tiny decoder, which takes latents as the "
                         "generator of its autoencoder makes them, and the mean and deviation of "
                         "[vae] stats are another generator's: use the whole autoencoder's "
                         "weights", cfg->vae.weights);
    if (is_scaled || (!isnan(cfg->vae.shift) && cfg->vae.shift != 0))
        return ffcl_fail(err, FFCL_ECONFIG, "%s is a tiny decoder, which takes latents as the "
                         "generator makes them, and [vae] %s is what its autoencoder undoes: set "
                         "vae.scale=1 and vae.shift=0, or use the whole autoencoder's weights",
                         cfg->vae.weights, is_scaled ? "scale" : "shift");
    return 0;
}

int ffcl_engine_find_form(ffcl_engine *e, ffcl_error *err)
{
    const ffcl_config *cfg = e->cfg;
    const ffcl_vae_dims none = {.zc = e->C}, *d = e->vae ? ffcl_vae_dims_of(e->vae) : &none;
    const size_t C = e->C, bytes = 2 * C * sizeof *e->form_values;
    const int of_checkpoint = e->sit && !strcmp(cfg->vae.stats, "checkpoint");
    ffcl_latent_form *f = &e->form;
    int rc = 0, has_stats = of_checkpoint || (strcmp(cfg->vae.stats, "none") &&
                                                strcmp(cfg->vae.stats, "checkpoint"));
    e->form_values = calloc(2 * C + 1, sizeof *e->form_values);
    if (!e->form_values)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %zu latent channels", C);
    for (size_t c = 0; c < C; c++)
        e->form_values[c] = 1;
    if (!strcmp(cfg->vae.stats, "sd-imagenet")) {
        rc = take_imagenet(e, err);
    } else if (has_stats) {
        rc = read_stats(e, of_checkpoint ? cfg->model.checkpoint : cfg->vae.stats, of_checkpoint,
                        err);
    } else if (d->mean) {
        has_stats = 1;
        memcpy(e->form_values, d->std, C * sizeof(float));
        memcpy(e->form_values + C, d->mean, C * sizeof(float));
    }
    if (rc == 0)
        rc = check_tiny(e, has_stats, err);
    if (rc)
        return rc;
    snprintf(f->stats, sizeof f->stats, "none");
    if (has_stats)
        snprintf(f->stats, sizeof f->stats, "crc32 %08lx",
                 crc32_z(0, (const void *)e->form_values, bytes));
    const int is_given = strcmp(cfg->vae.stats, "none") != 0;
    const double usual = is_given || e->is_pixels ? 1
                         : d->scaling > 0         ? d->scaling
                         : has_stats              ? 1
                                                  : 0.18215;
    f->scale = isnan(cfg->vae.scale) ? usual : cfg->vae.scale;
    f->shift = !isnan(cfg->vae.shift) ? cfg->vae.shift : has_stats ? 0 : d->shift;
    for (size_t c = 0; c < C; c++) {
        e->form_values[c] = (float)((double)e->form_values[c] / f->scale);
        e->form_values[C + c] = (float)((double)e->form_values[C + c] + f->shift);
        e->is_affine |= e->form_values[C + c] != 0 || e->form_values[c] != e->form_values[0];
    }
    f->times = e->form_values;
    f->plus = e->form_values + C;
    return 0;
}
