/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* Each family is a file, whose list ffcl_rows_of_NAME ends with a row without a name. */
#define FAMILIES(each)                                                                       \
    each(layernorm) each(qk_norm) each(attention) each(softmax) each(swiglu) each(embed)     \
    each(patches) each(tokens) each(latent) each(image) each(groupnorm) each(transpose)      \
    each(ceiling) each(gemm) each(gemm_batch) each(conv) each(window) each(pool)             \
    each(neighbours) each(cast) each(pointwise)

#define DECLARE(name) extern const ffcl_row ffcl_rows_of_##name[];
#define LIST(name) ffcl_rows_of_##name,
FAMILIES(DECLARE)
static const ffcl_row *const families[] = {FAMILIES(LIST)};

/* float32, half, AMD's and Intel's units, which may be emulated, NVIDIA's last. */
enum { GROUPS = 4 };

static int group_of(const ffcl_row *row)
{
    if (row->unit == FFCL_UNIT_MMA || row->unit == FFCL_UNIT_WGMMA)
        return 3;
    return row->unit != FFCL_UNIT_NONE ? 2 : row->dtype == FFCL_F16;
}

const ffcl_row *ffcl_row_at(size_t i)
{
    for (int group = 0; group < GROUPS; group++)
        for (size_t f = 0; f < sizeof families / sizeof *families; f++)
            for (const ffcl_row *row = families[f]; row->name; row++)
                if (group_of(row) == group && i-- == 0)
                    return row;
    return NULL;
}

const ffcl_row *ffcl_row_find(const char *name)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const ffcl_row *row = families[f]; row->name; row++)
            if (strcmp(row->name, name) == 0)
                return row;
    return NULL;
}

int ffcl_row_matches(const char *pattern, const char *name)
{
    if (strpbrk(pattern, "*?["))
        return fnmatch(pattern, name, 0) == 0;
    return strstr(name, pattern) != NULL;
}

int ffcl_rows_check(ffcl_error *err)
{
    const ffcl_row *row;
    for (size_t i = 0; (row = ffcl_row_at(i)); i++) {
        const ffcl_operation *op = row->describe ? ffcl_operations[row->op] : NULL;
        if (ffcl_row_find(row->name) != row)
            return ffcl_fail(err, FFCL_EUSAGE, "two rows are called %s", row->name);
        if (!op && row->variant)
            return ffcl_fail(err, FFCL_EUSAGE, "row %s names a variant and describes no call",
                             row->name);
        if (op && !row->variant && row->op != FFCL_OP_GEMM)
            return ffcl_fail(err, FFCL_EUSAGE, "row %s names no variant of %s", row->name,
                             op->name);
        if (op && row->variant && !ffcl_variant_find(op, row->variant))
            return ffcl_fail(err, FFCL_EUSAGE, "row %s names a variant of %s that does not exist, "
                             "%s", row->name, op->name, row->variant);
    }
    return 0;
}

size_t ffcl_row_number(const ffcl_row *row, const ffcl_shape *shape, const char *letter)
{
    const char *p = row->letters;
    for (size_t i = 0; *p && i < FFCL_MAX_DIMS; i++) {
        size_t length = strcspn(p, " ");
        if (length == strlen(letter) && strncmp(p, letter, length) == 0)
            return shape->d[i];
        p += length + (p[length] == ' ');
    }
    return 0;
}

void ffcl_row_text(const ffcl_row *row, const ffcl_shape *shape, char *text, size_t size)
{
    const char *p = row->letters;
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; *p && i < FFCL_MAX_DIMS && used < size; i++) {
        size_t length = strcspn(p, " ");
        int n = snprintf(text + used, size - used, "%s%.*s=%zu", i ? " " : "", (int)length, p,
                         shape->d[i]);
        used += (size_t)n;
        p += length + (p[length] == ' ');
    }
}

const char *ffcl_fill_name(ffcl_fill fill)
{
    static const char *const names[FFCL_N_FILLS] = {"noise", "zeros", "large", "offset",
                                                    "constant"};
    return names[fill];
}
