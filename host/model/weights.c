/* SPDX-License-Identifier: MIT */
#include "model/weights.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "gemm.h"
#include "util.h"

/* Equal names in the order of the file. */
static int by_name(const void *a, const void *b)
{
    const ffcl_name *x = *(ffcl_name *const *)a, *y = *(ffcl_name *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

/* What has a name that the model may have must be readable. */
static int refuse_unread(const ffcl_weights *w, const char *path, ffcl_error *err)
{
    const ffcl_tensor_info *first = NULL;
    char more[48] = "";
    size_t n = 0;
    for (size_t i = 0; i < w->n_names; i++)
        if (w->names[i].info->unread && n++ == 0)
            first = w->names[i].info;
    if (n > 1)
        snprintf(more, sizeof more, "; so it is with %zu more", n - 1);
    return n ? ffcl_fail(err, FFCL_EFORMAT, "%s: tensor %s is %s, which is not read%s", path,
                         first->name, first->unread, more) : 0;
}

int ffcl_weights_open(ffcl_weights *w, const char *path, const char *wrapper, int of_vae,
                      ffcl_rename *rename, void *user, ffcl_error *err)
{
    memset(w, 0, sizeof *w);
    int rc = ffcl_tensor_file_open_as(&w->file, path, wrapper, of_vae, err);
    if (rc)
        return rc;
    size_t n = ffcl_tensor_file_count(w->file);
    w->names = calloc(n + 1, sizeof *w->names);
    w->sorted = calloc(n + 1, sizeof *w->sorted);
    if (!w->names || !w->sorted) {
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the tensors of %s", path);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(w->file, i);
        char *name = NULL;
        if (rename(&name, info->name, user)) {
            rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the tensors of %s", path);
            goto out;
        }
        if (name && info->is_object)    /* no tensor, unless one is missed */
            free(name);
        else if (name)
            w->names[w->n_names++] = (ffcl_name){name, info, 0};
    }
    for (size_t i = 0; i < w->n_names; i++)
        w->sorted[i] = &w->names[i];
    rc = refuse_unread(w, path, err);
    if (w->n_names)
        qsort(w->sorted, w->n_names, sizeof *w->sorted, by_name);
out:
    if (rc)
        ffcl_weights_close(w);
    return rc;
}

void ffcl_weights_describe(const ffcl_weights *w, const char *prefix, char *text, size_t size)
{
    const char *wrapper = ffcl_tensor_file_wrapper(w->file);
    uLong crc = 0;
    for (size_t i = 0; i < w->n_names; i++) {
        const ffcl_name *n = w->sorted[i];
        crc = crc32_z(crc, (const void *)n->name, strlen(n->name) + 1);
        crc = crc32_z(crc, (const void *)n->info->name, strlen(n->info->name) + 1);
    }
    snprintf(text, size, "%.100s%s%.100s%s, %zu tensors, crc32 %08lx",
             strcmp(wrapper, "none") ? wrapper : "the file", *prefix ? ", " : "", prefix,
             *prefix ? "*" : "", w->n_names, crc);
}

void ffcl_weights_close(ffcl_weights *w)
{
    for (size_t i = 0; i < w->n_names; i++)
        free(w->names[i].name);
    free(w->names);
    free(w->sorted);
    free(w->rows);
    ffcl_tensor_file_close(&w->file);
    memset(w, 0, sizeof *w);
}

/* The first in order that is not before name; n_names: none. */
static size_t lower_bound(const ffcl_weights *w, const char *name)
{
    size_t low = 0, high = w->n_names;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(w->sorted[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static ffcl_name *find(const ffcl_weights *w, const char *name)
{
    const size_t i = lower_bound(w, name);
    return i < w->n_names && strcmp(w->sorted[i]->name, name) == 0 ? w->sorted[i] : NULL;
}

const ffcl_tensor_info *ffcl_weights_find(const ffcl_weights *w, const char *format, ...)
{
    char name[96];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const ffcl_name *found = find(w, name);
    return found ? found->info : NULL;
}

int ffcl_weights_has(const ffcl_weights *w, const char *format, ...)
{
    char prefix[96];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    const size_t i = lower_bound(w, prefix);
    return i < w->n_names && strncmp(w->sorted[i]->name, prefix, strlen(prefix)) == 0;
}

void ffcl_weights_pass(ffcl_weights *w, const char *prefix)
{
    for (size_t i = 0; i < w->n_names; i++)
        if (strncmp(w->names[i].name, prefix, strlen(prefix)) == 0)
            w->names[i].used = 1;
}

void ffcl_weights_add(ffcl_weights *w, const ffcl_weight_row *row, const char *format, ...)
{
    if (w->n_rows == w->room) {
        size_t room = w->room ? 2 * w->room : 256;
        ffcl_weight_row *grown = realloc(w->rows, room * sizeof *grown);
        if (!grown) {
            w->out_of_memory = 1;
            return;
        }
        w->rows = grown;
        w->room = room;
    }
    ffcl_weight_row *r = &w->rows[w->n_rows++];
    *r = *row;
    va_list args;
    va_start(args, format);
    vsnprintf(r->name, sizeof r->name, format, args);
    va_end(args);
}

/* Are the shapes equal but for trailing 1s?  Attention weights are (C, C) or (C, C, 1, 1). */
static int same_shape(const ffcl_weight_row *r, const ffcl_tensor_info *info)
{
    for (int i = 0; i < FFCL_MAX_RANK; i++) {
        size_t want = i < r->rank ? r->shape[i] : 1;
        size_t got = i < info->rank ? info->shape[i] : 1;
        if (want != got)
            return 0;
    }
    return 1;
}

/* A growing, bounded list of complaints; few are shown where most tensors are missing, as in the
 * file of another model. */
enum { MOST_SHOWN = 12, FEW_SHOWN = 3 };

typedef struct complaints {
    char text[3600];
    size_t used, shown, n, most;
} complaints;

static void complain(complaints *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(complaints *c, const char *format, ...)
{
    c->n++;
    if (c->shown == c->most || c->used > sizeof c->text - 300)
        return;
    c->used += (size_t)snprintf(c->text + c->used, sizeof c->text - c->used, "%s",
                                c->shown++ ? "; " : "");
    va_list args;
    va_start(args, format);
    c->used += (size_t)vsnprintf(c->text + c->used, sizeof c->text - c->used, format, args);
    va_end(args);
}

/* Names that no other model has, and where their weights belong. */
static const struct {
    const char *part, *key, *where;
} owners[] = {
    {"decoder.conv_in.", "vae.weights", "; it has the weights of a VAE, for vae.weights"},
    {"decoder.layers.", "vae.weights", "; it has the weights of a VAE, for vae.weights"},
    {"x_embedder.", "model.checkpoint",
     "; it has the weights of a transformer, for model.checkpoint"},
    {"Mixed_5b.", "eval.inception",
     "; it has the weights of the Inception network, for eval.inception"},
};

static int has_part(const ffcl_weights *w, const char *part)
{
    for (size_t i = 0; i < ffcl_tensor_file_count(w->file); i++)
        if (strstr(ffcl_tensor_file_at(w->file, i)->name, part))
            return 1;
    return 0;
}

const char *ffcl_weights_remedy(const ffcl_weights *w, const char *key)
{
    const char *other = "";
    const char *path = ffcl_tensor_file_path(w->file), *slash = strrchr(path, '/');
    const char *at = slash ? slash : path;
    unsigned i = 0, n = 0;
    for (; (at = strchr(at, '-')); at++)
        if (sscanf(at, "-%5u-of-%5u", &i, &n) == 2 && n > 1)
            return "; it is one of several files: name their index, which ends with .index.json, "
                   "in place of it";
    for (size_t k = 0; k < sizeof owners / sizeof *owners; k++) {
        if (!has_part(w, owners[k].part))
            continue;
        if (!strcmp(owners[k].key, key))
            return "";
        other = *other ? other : owners[k].where;
    }
    return other;
}

static int has_most(const ffcl_weights *w)
{
    size_t missing = 0;
    for (size_t i = 0; i < w->n_rows; i++)
        missing += w->rows[i].kind != FFCL_ROW_CONV_ZEROS && !find(w, w->rows[i].name);
    return missing <= w->n_rows / 2;
}

/* 8-bit weights whose scales lie beside them, wherever, are other numbers than they seem. */
static int refuse_scaled(const ffcl_weights *w, ffcl_error *err)
{
    const char *scale = ffcl_tensor_file_scale(w->file);
    int rc = 0;
    for (size_t i = 0; scale && rc == 0 && i < w->n_rows; i++) {
        const ffcl_name *found = find(w, w->rows[i].name);
        if (found)
            rc = ffcl_tensor_file_refuse_scaled(w->file, found->info, scale, err);
    }
    return rc;
}

int ffcl_weights_check(ffcl_weights *w, const char *what, const char *key, ffcl_error *err)
{
    const char *path = ffcl_tensor_file_path(w->file);
    complaints c = {.most = has_most(w) ? MOST_SHOWN : FEW_SHOWN};
    char want[64], got[64];
    if (w->out_of_memory)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the tensors of %s", path);
    const int rc = refuse_scaled(w, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < w->n_rows; i++) {
        ffcl_weight_row *r = &w->rows[i];
        if (r->kind == FFCL_ROW_CONV_ZEROS)
            continue;
        ffcl_name *found = find(w, r->name);
        ffcl_shape_text(want, sizeof want, r->shape, r->rank);
        if (!found) {
            const ffcl_tensor_info *object = ffcl_tensor_file_find(w->file, r->name);
            if (object && object->unread)
                complain(&c, "%s is %s, which is not read", r->name, object->unread);
            else
                complain(&c, "%s %s is missing", r->name, want);
            continue;
        }
        found->used = 1;
        r->found = found->info;
        if (!same_shape(r, found->info))
            complain(&c, "%s is %s and should be %s", found->info->name,
                     ffcl_shape_text(got, sizeof got, found->info->shape, found->info->rank), want);
        else if (found->info->dtype >= FFCL_I64)
            complain(&c, "%s holds integers", found->info->name);
    }
    for (size_t i = 1; i < w->n_names; i++)
        if (strcmp(w->sorted[i - 1]->name, w->sorted[i]->name) == 0) {
            complain(&c, "%s and %s are the same weight", w->sorted[i - 1]->info->name,
                     w->sorted[i]->info->name);
            w->sorted[i]->used = 1;
        }
    for (size_t i = 0; i < w->n_names; i++)
        if (!w->names[i].used)
            complain(&c, "%s is not part of the model", w->names[i].info->name);
    if (c.n == 0)
        return 0;
    if (c.shown < c.n)
        snprintf(c.text + c.used, sizeof c.text - c.used, "; and %zu more", c.n - c.shown);
    return ffcl_fail(err, FFCL_EWEIGHTS, "%s is no %s that fits: %s%s", path, what, c.text,
                     ffcl_weights_remedy(w, key));
}

size_t ffcl_weight_count(const ffcl_tensor *w)
{
    return w->layout == FFCL_TILES ? ffcl_tiled_count(w->cols, w->rows) : ffcl_count(w);
}

static ffcl_dtype dtype_of(const ffcl_weight_row *r)
{
    return r->kind == FFCL_ROW_CONV ? r->conv->dtype : r->to ? r->to->dtype : FFCL_F32;
}

static size_t row_count(const ffcl_weight_row *r)
{
    size_t n = 1, each;
    if (r->kind == FFCL_ROW_HOST)
        return 0;
    if (r->kind == FFCL_ROW_CONV)
        return ffcl_conv_buffers(r->conv, &each) * each;
    for (int i = 0; i < r->rank; i++)
        n *= r->shape[i];
    return dtype_of(r) == FFCL_F16 ? ffcl_tiled_count(r->shape[0], n / r->shape[0]) : n;
}

size_t ffcl_weight_row_bytes(const ffcl_weight_row *r)
{
    return row_count(r) * ffcl_dtype_bytes(dtype_of(r));
}

size_t ffcl_weights_bytes(const ffcl_weights *w)
{
    size_t bytes = 0;
    for (size_t i = 0; i < w->n_rows; i++)
        bytes += ffcl_weight_row_bytes(&w->rows[i]);
    return bytes;
}

size_t ffcl_weights_largest_bytes(const ffcl_weights *w)
{
    size_t largest = 0;
    for (size_t i = 0; i < w->n_rows; i++) {
        const ffcl_weight_row *r = &w->rows[i];
        size_t count = row_count(r);
        if (r->kind == FFCL_ROW_CONV)
            ffcl_conv_buffers(r->conv, &count);
        else if (r->to)
            count = ffcl_weight_count(r->to);
        const size_t bytes = count * ffcl_dtype_bytes(dtype_of(r));
        largest = ffcl_max(largest, bytes);
    }
    return largest;
}

void ffcl_weight_release(ffcl_tensor *weight)
{
    if (weight->mem)
        clReleaseMemObject(weight->mem);
    weight->mem = NULL;
}

void ffcl_conv_release(ffcl_conv_weight *conv)
{
    for (int i = 0; i < 4; i++)
        ffcl_weight_release(&conv->weight[i]);
    ffcl_weight_release(&conv->bias);
}
