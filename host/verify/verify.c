/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ffcl_verify_line_out(ffcl_verifier *v, const char *name, int ok, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (ok >= 0)
        v->checked++;
    if (ok == 0)
        v->failed++;
    const ffcl_verify_line line = {name, text, ok};
    v->visit(v->user, &line);
}

void ffcl_verify_unchecked(ffcl_verifier *v, const char *name, const char *why, int ok)
{
    ffcl_verify_line_out(v, name, ok, "%s", why);
}

/* The tensor, and memory for its values of `size` bytes each. */
static int find(ffcl_verifier *v, const char *name, size_t size, const ffcl_tensor_info **info,
                void **out)
{
    *info = ffcl_tensor_file_find(v->file, name);
    if (!*info)
        return ffcl_fail(v->err, FFCL_EFORMAT, "%s has no tensor %s",
                         ffcl_tensor_file_path(v->file), name);
    *out = malloc(((*info)->count + 1) * size);
    return *out ? 0 : ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for %s", name);
}

int ffcl_verify_floats(ffcl_verifier *v, const char *name, float **out)
{
    const ffcl_tensor_info *info;
    void *values = NULL;
    int rc = find(v, name, sizeof **out, &info, &values);
    *out = values;
    return rc ? rc : ffcl_tensor_file_read_f32(v->file, info, 0, info->count, *out, v->err);
}

int ffcl_verify_integers(ffcl_verifier *v, const char *name, int64_t **out)
{
    const ffcl_tensor_info *info;
    void *values = NULL;
    int rc = find(v, name, sizeof **out, &info, &values);
    *out = values;
    return rc ? rc : ffcl_tensor_file_read_i64(v->file, info, 0, info->count, *out, v->err);
}

int ffcl_verify_compare(ffcl_verifier *v, const ffcl_tensor_info *info, const float *got, size_t n,
                        double limit)
{
    float *want = NULL;
    if (info->count != n) {
        ffcl_verify_line_out(v, info->name, 0, "%zu values recorded, %zu computed", info->count, n);
        return 0;
    }
    int rc = ffcl_verify_floats(v, info->name, &want);
    double diff = 0, norm = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        double d = (double)got[i] - want[i];
        diff += d * d;
        norm += (double)want[i] * want[i];
    }
    if (rc == 0) {
        double rel = norm > 0 ? sqrt(diff / norm) : sqrt(diff);
        double tolerance = v->tolerance > 0 ? v->tolerance : limit;
        ffcl_verify_line_out(v, info->name, rel <= tolerance, "rel %.1e", rel);
    }
    free(want);
    return rc;
}

int ffcl_verify_compare_bytes(ffcl_verifier *v, const ffcl_tensor_info *info, const uint8_t *got,
                              size_t n, double share, int largest)
{
    int64_t *want = NULL;
    if (info->count != n) {
        ffcl_verify_line_out(v, info->name, 0, "%zu bytes recorded, %zu computed", info->count, n);
        return 0;
    }
    int rc = ffcl_verify_integers(v, info->name, &want);
    size_t equal = 0;
    uint64_t worst = 0;         /* what is recorded need not be bytes */
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const uint64_t a = got[i], b = (uint64_t)want[i], d = want[i] > got[i] ? b - a : a - b;
        equal += d == 0;
        worst = d > worst ? d : worst;
    }
    if (rc == 0) {
        double part = n ? (double)equal / (double)n : 1;
        ffcl_verify_line_out(v, info->name, part >= share && worst <= (uint64_t)largest,
                             "equal %.3f %%, off by at most %llu", 100 * part,
                             (unsigned long long)worst);
    }
    free(want);
    return rc;
}

static int check(ffcl_verifier *v)
{
    static const struct {
        int (*is)(const ffcl_verifier *v);
        int (*run)(ffcl_verifier *v);
    } kinds[] = {
        {ffcl_verify_is_generators, ffcl_verify_generators},
        {ffcl_verify_is_images, ffcl_verify_images},
        {ffcl_verify_is_byte_rules, ffcl_verify_byte_rules},
        {ffcl_verify_is_pos_embed, ffcl_verify_pos_embed},
        {ffcl_verify_is_inception, ffcl_verify_inception},
        {ffcl_verify_is_sit, ffcl_verify_sit},
        {ffcl_verify_is_sample, ffcl_verify_sample},
        {ffcl_verify_is_vae, ffcl_verify_vae},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].is(v))
            return kinds[i].run(v);
    return ffcl_fail(v->err, FFCL_EFORMAT,
                     "%s holds no recording that verify knows: SiT (x, t, y), VAE (z), samples "
                     "(z, y), Inception (imgS), generators (cpu.seed...), images (x, grid_u8) or "
                     "pos_embed (dN_gN)",
                     ffcl_tensor_file_path(v->file));
}

int ffcl_verify(const char *reference, const ffcl_config *cfg, double tolerance,
                const ffcl_observer *obs, ffcl_verify_visitor *visit, void *user, ffcl_error *err)
{
    ffcl_verifier v = {.cfg = cfg, .tolerance = tolerance, .obs = obs, .visit = visit,
                       .user = user, .err = err};
    int rc = ffcl_tensor_file_open(&v.file, reference, err);
    if (rc == 0)
        rc = check(&v);
    if (rc == 0 && (v.failed || v.checked == 0))
        rc = ffcl_fail(err, FFCL_EVERIFY, "%zu of %zu tensors of %s are not as recorded", v.failed,
                       v.checked, reference);
    ffcl_tensor_file_close(&v.file);
    return rc;
}
