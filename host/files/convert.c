/* SPDX-License-Identifier: MIT */
#include "convert.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../util.h"
#include "atomic.h"
#include "tensorfile_impl.h"

enum { BLOCK = 1 << 18 };           /* elements at a time */

typedef struct job {
    ffcl_tensor_file *file;
    const ffcl_convert_spec *spec;
    ffcl_convert_result *result;
    const ffcl_tensor_info **order; /* (n) in the order of the data */
    size_t n;
    char *header;                   /* padded with blanks to a multiple of 8 bytes */
    uint64_t data, done;            /* bytes of all elements; written so far */
    void *in, *out;                 /* a block before and after */
} job;

int ffcl_convert_dtype(const char *name, ffcl_dtype *dtype)
{
    static const struct {
        const char *name;
        ffcl_dtype dtype;
    } known[] = {{"float32", FFCL_F32}, {"half", FFCL_F16}, {"bfloat16", FFCL_BF16}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i].name)) {
            *dtype = known[i].dtype;
            return 0;
        }
    return -1;
}

static int is_float(ffcl_dtype dtype)
{
    return dtype <= FFCL_F8_E5M2;
}

static ffcl_dtype written_as(const job *j, const ffcl_tensor_info *t)
{
    if (!is_float(t->dtype))
        return t->dtype;
    if (j->spec->has_dtype)
        return j->spec->dtype;
    if (t->dtype == FFCL_F8_E4M3 || t->dtype == FFCL_F8_E5M2)
        return FFCL_F16;                        /* which has all their numbers */
    return t->dtype == FFCL_F64 ? FFCL_F32 : t->dtype;
}

static uint64_t written_bytes(const job *j, const ffcl_tensor_info *t)
{
    return (uint64_t)t->count * ffcl_dtype_bytes(written_as(j, t));
}

/* Lists what is written and what cannot be. */
static int choose(job *j, ffcl_error *err)
{
    ffcl_convert_result *r = j->result;
    size_t used = 0;
    j->order = calloc(j->file->count + 1, sizeof *j->order);
    if (!j->order)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the tensors of %s", j->file->path);
    /* Wide elements first, so that each lies at a multiple of its size and can be used in place. */
    for (size_t width = 8; width; width /= 2)
        for (size_t i = 0; i < j->file->count; i++) {
            const ffcl_tensor_info *t = ffcl_tensor_file_at(j->file, i);
            if (t->unread || ffcl_dtype_bytes(written_as(j, t)) != width)
                continue;
            j->order[j->n++] = t;
            j->data += written_bytes(j, t);
            r->narrowed += !j->spec->has_dtype && t->dtype == FFCL_F64;
        }
    for (size_t i = 0; i < j->file->count; i++) {
        const ffcl_tensor_info *t = ffcl_tensor_file_at(j->file, i);
        r->passed_over += t->unread != NULL;
        if (t->unread && used + 1 < sizeof r->passed_names)
            used += (size_t)snprintf(r->passed_names + used, sizeof r->passed_names - used,
                                     "%s%.200s (%.80s)", used ? ", " : "", t->name, t->unread);
    }
    /* Without them the numbers are others, and as half nobody would see that. */
    const char *scale = ffcl_tensor_file_scale(j->file);
    for (size_t i = 0; i < j->n; i++) {
        int rc = ffcl_tensor_file_refuse_scaled(j->file, j->order[i], scale, err);
        if (rc)
            return rc;
    }
    r->tensors = j->n;
    if (!j->n)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s holds no tensor that can be read",
                         j->file->path);
    return 0;
}

/* {"__metadata__": {...}, NAME: {"dtype": "F32", "shape": [...], "data_offsets": [...]}} */
static int make_header(job *j, ffcl_error *err)
{
    cJSON *root = cJSON_CreateObject();
    uint64_t at = 0;
    int bad = !root;
    cJSON *notes = bad ? NULL : cJSON_AddObjectToObject(root, "__metadata__");
    for (size_t i = 0; i < j->file->note_count; i++)
        bad |= !cJSON_AddStringToObject(notes, j->file->notes[i].key, j->file->notes[i].value);
    /* Libraries ask for whose arrays they are. */
    if (notes && !ffcl_tensor_file_metadata(j->file, "format"))
        bad |= !cJSON_AddStringToObject(notes, "format", "pt");
    for (size_t i = 0; !bad && i < j->n; i++) {
        const ffcl_tensor_info *t = j->order[i];
        cJSON *one = cJSON_AddObjectToObject(root, t->name);
        bad |= !cJSON_AddStringToObject(one, "dtype",
                                        ffcl_dtype_names[written_as(j, t)].safetensors);
        cJSON *shape = cJSON_AddArrayToObject(one, "shape");
        for (int k = 0; k < t->rank; k++)
            bad |= !cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->shape[k]));
        cJSON *span = cJSON_AddArrayToObject(one, "data_offsets");
        bad |= !cJSON_AddItemToArray(span, cJSON_CreateNumber((double)at));
        at += written_bytes(j, t);
        bad |= !cJSON_AddItemToArray(span, cJSON_CreateNumber((double)at));
    }
    char *text = bad ? NULL : cJSON_PrintUnformatted(root);
    j->header = text ? ffcl_format("%s%*s", text, (int)(7 - (strlen(text) + 7) % 8), "") : NULL;
    cJSON_free(text);
    cJSON_Delete(root);
    return j->header ? 0 : ffcl_fail(err, FFCL_ENOMEM, "no memory for the tensor names of %s",
                                     j->file->path);
}

/* To the nearest, ties to even; subnormals, infinities and NaNs keep what fits of them. */
static uint16_t half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t rest = bits & 0x7fffffff;
    if (rest > 0x7f800000)                          /* a NaN stays one, with its upper bits */
        return (uint16_t)(sign | 0x7c00 | (rest >> 13 & 0x3ff) | ((rest >> 13 & 0x3ff) == 0));
    if (rest >= 0x47800000)                         /* 65536 and more */
        return sign | 0x7c00;
    if (rest < 0x38800000) {                        /* below 2^-14: multiples of 2^-24 */
        float magnitude;
        memcpy(&magnitude, &rest, 4);
        return (uint16_t)(sign | (uint16_t)lrintf(magnitude * 0x1p24f));
    }
    const uint32_t moved = rest - 0x38000000;       /* exponent bias 127 becomes 15 */
    return (uint16_t)(sign | (moved + 0xfff + (moved >> 13 & 1)) >> 13);
}

static uint16_t bfloat16_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | ((bits >> 16 & 0x7f) == 0));
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* n floats of j->in into j->out; the first finite one that has become infinite, or n. */
static size_t narrow(job *j, ffcl_dtype dtype, size_t n)
{
    const float *in = j->in;
    uint16_t *out = j->out;
    const uint16_t infinite = dtype == FFCL_F16 ? 0x7c00 : 0x7f80;
    const float least = dtype == FFCL_F16 ? 0x1p-14f : 0x1p-126f;
    const float unit = dtype == FFCL_F16 ? 0x1p-24f : 0x1p-133f;        /* of what is below */
    for (size_t i = 0; i < n; i++) {
        if (fabsf(in[i]) < least && fmodf(in[i], unit) != 0.0f) {
            j->result->small++;
            j->result->vanished += fabsf(in[i]) <= unit / 2.0f;
        }
        out[i] = dtype == FFCL_F16 ? half_of(in[i]) : bfloat16_of(in[i]);
        if ((out[i] & 0x7fff) == infinite && isfinite(in[i]))
            return i;
    }
    return n;
}

/* What the file says is written, and said. */
static void count_not_finite(job *j, const ffcl_tensor_info *t, size_t n)
{
    const float *in = j->in;
    ffcl_convert_result *r = j->result;
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += !isfinite(in[i]);
    if (found && !r->not_finite)
        snprintf(r->not_finite_name, sizeof r->not_finite_name, "%s", t->name);
    r->not_finite += found;
}

/* n whole numbers of j->in into j->out, of the width that they have in the file. */
static void pack(job *j, size_t width, size_t n)
{
    const int64_t *in = j->in;
    unsigned char *out = j->out;
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * width, &in[i], width);     /* little-endian */
}

static int put_block(job *j, ffcl_atomic_file *out, const ffcl_tensor_info *t, size_t first,
                     size_t n, ffcl_error *err)
{
    const ffcl_dtype dtype = written_as(j, t);
    int rc = is_float(dtype) ? ffcl_tensor_file_read_f32(j->file, t, first, n, j->in, err)
                             : ffcl_tensor_file_read_i64(j->file, t, first, n, j->in, err);
    if (rc)
        return rc;
    if (is_float(dtype))
        count_not_finite(j, t, n);
    if (dtype == FFCL_F16 || dtype == FFCL_BF16) {
        const size_t bad = narrow(j, dtype, n);
        if (bad < n)
            return ffcl_fail(err, FFCL_ENUMERIC, "%s: tensor %s has a value of %g, which %s has "
                             "no number for; choose another --dtype", j->file->path, t->name,
                             (double)((float *)j->in)[bad], ffcl_dtype_names[dtype].torch);
    } else if (!is_float(dtype)) {
        pack(j, ffcl_dtype_bytes(dtype), n);
    }
    rc = ffcl_atomic_write(out, dtype == FFCL_F32 ? j->in : j->out, n * ffcl_dtype_bytes(dtype),
                           err);
    j->done += n * ffcl_dtype_bytes(dtype);
    if (j->spec->report)
        j->spec->report(j->spec->user, j->done, j->data);
    return rc;
}

static int write_file(job *j, ffcl_error *err)
{
    ffcl_atomic_file out = {0};
    const uint64_t length = strlen(j->header);
    int rc = ffcl_atomic_open(&out, j->spec->path, err);
    j->result->bytes = sizeof length + length + j->data;
    if (rc == 0)
        rc = ffcl_reserve(fileno(out.stream), j->result->bytes, j->spec->path, err);
    if (rc == 0)
        rc = ffcl_atomic_write(&out, &length, sizeof length, err);
    if (rc == 0)
        rc = ffcl_atomic_write(&out, j->header, length, err);
    for (size_t i = 0; rc == 0 && i < j->n; i++) {
        const ffcl_tensor_info *t = j->order[i];
        for (size_t at = 0; rc == 0 && at < t->count; at += BLOCK) {
            if (j->spec->stop && atomic_load(j->spec->stop))
                rc = ffcl_fail(err, FFCL_ESTOPPED, "stopped: %s was not written", j->spec->path);
            else
                rc = put_block(j, &out, t, at, ffcl_min(BLOCK, t->count - at), err);
        }
    }
    if (rc == 0)
        rc = ffcl_tensor_file_check(j->file, err);
    if (rc == 0)
        rc = ffcl_atomic_commit(&out, err);
    ffcl_atomic_discard(&out);
    return rc;
}

int ffcl_convert(ffcl_tensor_file *file, const ffcl_convert_spec *spec,
                 ffcl_convert_result *result, ffcl_error *err)
{
    job j = {.file = file, .spec = spec, .result = result,
             .in = malloc(BLOCK * sizeof(int64_t)), .out = malloc(BLOCK * sizeof(int64_t))};
    *result = (ffcl_convert_result){0};
    int rc = j.in && j.out ? choose(&j, err)
                           : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a block of tensors");
    if (rc == 0)
        rc = make_header(&j, err);
    if (rc == 0)
        rc = write_file(&j, err);
    free(j.order);
    free(j.header);
    free(j.in);
    free(j.out);
    return rc;
}
