/* SPDX-License-Identifier: MIT
 * What of a configuration changes the images, as text.  Which keys do is a column of the table. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "config_table.h"
#include "util.h"

enum { TEXT_BYTES = 120 };

void ffcl_config_real_text(char *text, double value)
{
    snprintf(text, TEXT_BYTES, "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, TEXT_BYTES, "%.17g", value);
    ffcl_point(text);
}

static void write_choice(char *text, const ffcl_config_choice *choices, int value)
{
    for (const ffcl_config_choice *c = choices; c->name; c++)
        if (c->value == value)
            snprintf(text, TEXT_BYTES, "%s", c->name);
}

/* The labels in short: a list of many is known by its length and CRC. */
static void write_classes(char *text, const ffcl_config *cfg)
{
    static const char *const words[] = {[FFCL_CLASSES_RANDOM] = "random",
                                        [FFCL_CLASSES_BALANCED] = "balanced"};
    const int64_t *classes = cfg->sampler.classes;
    const size_t n = cfg->sampler.n_classes;
    if (cfg->sampler.kind != FFCL_CLASSES_LIST) {
        snprintf(text, TEXT_BYTES, "%s", words[cfg->sampler.kind]);
        return;
    }
    int used = snprintf(text, TEXT_BYTES, "list of %zu, crc32 %08lx:", n,
                        crc32_z(0, (const void *)classes, n * sizeof *classes));
    for (size_t i = 0; i < n && i < 8; i++)
        used += snprintf(text + used, TEXT_BYTES - (size_t)used, " %d",
                         (int)(classes[i] % 1000000));
    if (n > 8)
        snprintf(text + used, TEXT_BYTES - (size_t)used, " ...");
}

/* A long list is known by its CRC. */
static void write_times(char *text, const char *times)
{
    if (strlen(times) < TEXT_BYTES)
        snprintf(text, TEXT_BYTES, "%s", times);
    else
        snprintf(text, TEXT_BYTES, "%.80s..., crc32 %08lx", times,
                 crc32_z(0, (const void *)times, strlen(times)));
}

void ffcl_config_value_text(char *text, const ffcl_config *cfg, const ffcl_config_row *row)
{
    const void *member = (const char *)cfg + row->offset;
    *text = '\0';
    switch (row->type) {
    case FFCL_TYPE_TEXT:
    case FFCL_TYPE_INPUT:
    case FFCL_TYPE_OUTPUT:
        break;                  /* names change nothing; what they name goes by a fact */
    case FFCL_TYPE_CHOICE:
        write_choice(text, row->choices, *(const int *)member);
        break;
    case FFCL_TYPE_COUNT:
    case FFCL_TYPE_COUNT_AUTO:
    case FFCL_TYPE_RANK:
        snprintf(text, TEXT_BYTES, "%zu", row->resolve ? row->resolve(cfg)
                                                       : *(const size_t *)member);
        break;
    case FFCL_TYPE_TIMES:
        write_times(text, *(char *const *)member);
        break;
    case FFCL_TYPE_REAL_AUTO:
        if (isnan(*(const double *)member)) {
            snprintf(text, TEXT_BYTES, "auto");
            break;
        }
        ffcl_config_real_text(text, *(const double *)member);
        break;
    case FFCL_TYPE_REAL:
        ffcl_config_real_text(text, *(const double *)member);
        break;
    case FFCL_TYPE_SEED:
        snprintf(text, TEXT_BYTES, "%llu", (unsigned long long)*(const uint64_t *)member);
        break;
    case FFCL_TYPE_CLASSES:
        write_classes(text, cfg);
        break;
    }
}

int ffcl_config_settings(const ffcl_config *cfg, ffcl_setting_visitor *visit, void *user,
                         ffcl_error *err)
{
    char key[80], text[TEXT_BYTES];
    int rc = 0;
    /* The sampler's keys come first in the manifest, then the table's order. */
    for (int others = 0; others < 2; others++) {
        for (size_t i = 0; !rc && i < ffcl_config_n_rows; i++) {
            const ffcl_config_row *row = &ffcl_config_rows[i];
            if (row->images != FFCL_IMAGES_DIFFER || row->fact ||
                (row->counts && !row->counts(cfg)) ||
                (strcmp(row->section, "sampler") != 0) != others)
                continue;
            snprintf(key, sizeof key, "%s.%s", row->section, row->key);
            ffcl_config_value_text(text, cfg, row);
            rc = visit(user, key, text, err);
        }
    }
    return rc;
}
