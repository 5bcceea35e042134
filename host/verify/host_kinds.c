/* SPDX-License-Identifier: MIT
 * Recordings that need no device: torch's generators, bytes and grid, position embedding. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/pos_embed.h"
#include "sample/generator.h"
#include "sample/image.h"
#include "util.h"
#include "verify/verify.h"

static const double pos_embed_limit = 1e-6;

/* ---- generators -------------------------------------------------------------------------- */

/* Numbers that torch's generator gave, by their key:
 * {cpu|cuda}.seed{s}.{shape}.{first|second|randint1000|third}. */
typedef struct numbers {
    ffcl_rng kind;
    unsigned long long seed;
    size_t n, rows;             /* elements and first dimension of the shape */
    int step;                   /* 0 first, 1 second, 2 randint1000, 3 third */
} numbers;

static int parse_key(const char *name, numbers *d)
{
    static const char *const steps[] = {"first", "second", "randint1000", "third"};
    char device[8], shape[64], step[16];
    if (sscanf(name, "%7[a-z].seed%llu.%63[0-9x].%15[a-z0-9]", device, &d->seed, shape, step) != 4)
        return 0;
    if (strcmp(device, "cpu") != 0 && strcmp(device, "cuda") != 0)
        return 0;
    d->kind = strcmp(device, "cpu") == 0 ? FFCL_RNG_TORCH_CPU : FFCL_RNG_TORCH_CUDA;
    d->n = 1;
    d->rows = strtoull(shape, NULL, 10);
    for (const char *p = shape; *p; p += strcspn(p, "x"), p += *p == 'x')
        if (ffcl_mul(&d->n, d->n, strtoull(p, NULL, 10)))
            return 0;
    d->step = -1;
    for (int i = 0; i < 4; i++)
        if (strcmp(step, steps[i]) == 0)
            d->step = i;
    return d->step >= 0 && d->n > 0 && d->n <= 1u << 28;
}

int ffcl_verify_is_generators(const ffcl_verifier *v)
{
    numbers d;
    for (size_t i = 0; i < ffcl_tensor_file_count(v->file); i++)
        if (parse_key(ffcl_tensor_file_at(v->file, i)->name, &d))
            return 1;
    return 0;
}

/* Resident threads of the recording's card. */
static int recorded_threads(ffcl_verifier *v, uint64_t *threads)
{
    enum { USUAL = 132, MOST = 1 << 20 };
    const char *text = ffcl_tensor_file_metadata(v->file, "sms");
    const unsigned long long sms = text ? strtoull(text, NULL, 10) : USUAL;
    *threads = 2048 * sms;
    if (sms > 0 && sms <= MOST)
        return 0;
    return ffcl_fail(v->err, FFCL_EFORMAT, "%s: its metadata sms, of the card's multiprocessors, "
                     "is no number from 1 to %d", ffcl_tensor_file_path(v->file), MOST);
}

/* Distance of two floats in units of the last place. */
static double ulps(float a, float b)
{
    if (a == b)
        return 0;
    float scale = fmaxf(fabsf(a), fabsf(b));
    return fabs((double)a - b) / ((double)nextafterf(scale, INFINITY) - scale);
}

/* Recorded are the first and the last 64 values of an array, or all of a short one, twice. */
static size_t recorded_index(size_t i, size_t count, size_t n)
{
    return i < count / 2 || count == n ? i : n - (count - i);
}

static int compare_normals(ffcl_verifier *v, const ffcl_tensor_info *info, const numbers *d,
                           const float *got)
{
    float *want = NULL;
    double worst_ulp = 0, worst = 0;
    int rc = ffcl_verify_floats(v, info->name, &want);
    for (size_t i = 0; rc == 0 && i < info->count; i++) {
        float value = got[recorded_index(i, info->count, d->n)];
        worst_ulp = fmax(worst_ulp, ulps(value, want[i]));
        worst = fmax(worst, fabs((double)value - want[i]));
    }
    if (rc == 0 && d->kind == FFCL_RNG_TORCH_CPU)
        ffcl_verify_line_out(v, info->name, worst_ulp <= (d->n < 16 ? 0 : 3), "max %.0f ulp",
                             worst_ulp);
    else if (rc == 0)
        ffcl_verify_line_out(v, info->name, worst <= (v->tolerance > 0 ? v->tolerance : 2e-6),
                             "max %.1e", worst);
    free(want);
    return rc;
}

static int compare_integers(ffcl_verifier *v, const ffcl_tensor_info *info, const numbers *d,
                            const int64_t *got)
{
    int64_t *want = NULL;
    size_t equal = 0;
    int rc = ffcl_verify_integers(v, info->name, &want);
    for (size_t i = 0; rc == 0 && i < info->count; i++)
        equal += want[i] == got[recorded_index(i, info->count, d->rows)];
    if (rc == 0)
        ffcl_verify_line_out(v, info->name, equal == info->count, "equal %zu of %zu", equal,
                             info->count);
    free(want);
    return rc;
}

/* Generates in the recorded order up to the wanted step. */
static int check_numbers(ffcl_verifier *v, const ffcl_tensor_info *info, const numbers *d)
{
    float *normals = malloc(d->n * sizeof *normals);
    int64_t *integers = malloc((d->rows + 1) * sizeof *integers);
    int rc = 0;
    if (!normals || !integers) {
        rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for %s", info->name);
        goto out;
    }
    if (info->count > 2 * (d->step == 2 ? d->rows : d->n)) {
        ffcl_verify_line_out(v, info->name, 0, "%zu values recorded, more than generated",
                             info->count);
        goto out;
    }
    ffcl_generator g;
    uint64_t threads;
    rc = recorded_threads(v, &threads);
    if (rc)
        goto out;
    ffcl_generator_seed(&g, d->kind, d->seed, threads);
    for (int i = 0; i <= d->step; i++)
        if (i == 2)
            ffcl_generator_randint(&g, 0, 1000, integers, d->rows);
        else
            ffcl_generator_randn(&g, normals, d->n);
    rc = d->step == 2 ? compare_integers(v, info, d, integers)
                      : compare_normals(v, info, d, normals);
out:
    free(normals);
    free(integers);
    return rc;
}

int ffcl_verify_generators(ffcl_verifier *v)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(v->file, i);
        numbers d;
        if (parse_key(info->name, &d))
            rc = check_numbers(v, info, &d);
        else
            ffcl_verify_unchecked(v, info->name, "not checked: no generator's key", 0);
    }
    return rc;
}

/* ---- images ------------------------------------------------------------------------------ */

int ffcl_verify_is_images(const ffcl_verifier *v)
{
    return ffcl_tensor_file_find(v->file, "x") && ffcl_tensor_file_find(v->file, "grid_u8");
}

/* bytes (N, H, W, 3) of x (N, 3, H, W) by the SiT rule. */
static void to_bytes(uint8_t *bytes, const float *x, size_t N, size_t H, size_t W)
{
    for (size_t n = 0; n < N; n++)
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < H * W; p++)
                bytes[(n * H * W + p) * 3 + c] =
                    ffcl_to_byte(x[(n * 3 + c) * H * W + p], FFCL_BYTES_SIT);
}

int ffcl_verify_images(ffcl_verifier *v)
{
    const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, "x");
    const size_t N = info->shape[0], H = info->shape[2], W = info->shape[3];
    if (info->rank != 4 || info->shape[1] != 3 || info->count == 0)
        return ffcl_fail(v->err, FFCL_EFORMAT, "%s: x is not (N, 3, height, width)",
                         ffcl_tensor_file_path(v->file));
    float *x = NULL;
    size_t gh, gw;
    ffcl_grid_size(N, 4, H, W, &gh, &gw);
    uint8_t *bytes = malloc(info->count), *grid = calloc(gh * gw, 3);
    int rc = bytes && grid ? ffcl_verify_floats(v, "x", &x)
                           : ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the images");
    if (rc == 0) {
        to_bytes(bytes, x, N, H, W);
        for (size_t i = 0; i < N; i++)
            ffcl_grid_place(grid, N, 4, H, W, i, bytes + i * H * W * 3);
    }
    for (size_t i = 0; rc == 0 && i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *t = ffcl_tensor_file_at(v->file, i);
        if (strcmp(t->name, "grid_u8") == 0)
            rc = ffcl_verify_compare_bytes(v, t, grid, gh * gw * 3, 1, 0);
        else if (strcmp(t->name, "samples_u8") == 0)
            rc = ffcl_verify_compare_bytes(v, t, bytes, info->count, 1, 0);
        else if (strcmp(t->name, "x") != 0)
            ffcl_verify_unchecked(v, t->name, "not checked: no known output", 0);
    }
    free(x);
    free(bytes);
    free(grid);
    return rc;
}

/* ---- byte rules: values x and the bytes that rules A, C and D make of them ------------------- */

int ffcl_verify_is_byte_rules(const ffcl_verifier *v)
{
    return ffcl_tensor_file_find(v->file, "x") && ffcl_tensor_file_find(v->file, "A") &&
           ffcl_tensor_file_find(v->file, "D");
}

int ffcl_verify_byte_rules(ffcl_verifier *v)
{
    static const struct { const char *name; ffcl_byte_rule rule; } rules[] = {
        {"A", FFCL_BYTES_SIT}, {"C", FFCL_BYTES_REPA}, {"D", FFCL_BYTES_ROUND},
    };
    const size_t n = ffcl_tensor_file_find(v->file, "x")->count;
    float *x = NULL;
    uint8_t *bytes = malloc(n + 1);
    int rc = bytes ? ffcl_verify_floats(v, "x", &x)
                   : ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the bytes");
    for (size_t i = 0; rc == 0 && i < sizeof rules / sizeof *rules; i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, rules[i].name);
        for (size_t k = 0; k < n; k++)
            bytes[k] = ffcl_to_byte(x[k], rules[i].rule);
        if (info)
            rc = ffcl_verify_compare_bytes(v, info, bytes, n, 1, 0);
    }
    free(x);
    free(bytes);
    return rc;
}

/* ---- position embedding ------------------------------------------------------------------ */

static int parse_pos(const char *name, size_t *D, size_t *G)
{
    char rest;
    return sscanf(name, "d%zu_g%zu%c", D, G, &rest) == 2 && *D > 0 && *D % 4 == 0 && *D < 65536 &&
           *G > 0 && *G < 4096;
}

int ffcl_verify_is_pos_embed(const ffcl_verifier *v)
{
    size_t D, G;
    return ffcl_tensor_file_count(v->file) &&
           parse_pos(ffcl_tensor_file_at(v->file, 0)->name, &D, &G);
}

int ffcl_verify_pos_embed(ffcl_verifier *v)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(v->file, i);
        size_t D, G;
        if (!parse_pos(info->name, &D, &G) || info->count != D * G * G) {
            ffcl_verify_unchecked(v, info->name, "not checked: no position embedding", 0);
            continue;
        }
        float *table = malloc(info->count * sizeof *table);
        if (!table)
            return ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for %s", info->name);
        ffcl_pos_embed(table, D, G);
        rc = ffcl_verify_compare(v, info, table, info->count, pos_embed_limit);
        free(table);
    }
    return rc;
}
