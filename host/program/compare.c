/* SPDX-License-Identifier: MIT
 * [output] compare: the same images by several values of a key, side by side in one grid.  A value
 * is a run of its own, which writes a column. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/png.h"
#include "program/compare.h"
#include "sample/image.h"
#include "util.h"

enum { MOST_VALUES = 64 };

/* What the key says: "sampler.steps: 1, 2, 4" or, where values hold commas, "key: a | b". */
typedef struct comparison {
    char *text;                             /* cut up: what follows points into it */
    const char *key, *values[MOST_VALUES];
    size_t n;
} comparison;

static char *trim(char *text)
{
    text += strspn(text, " \t");
    for (size_t n = strlen(text); n > 0 && strchr(" \t", text[n - 1]); n--)
        text[n - 1] = '\0';
    return text;
}

static int parse(comparison *c, const char *said, ffcl_error *err)
{
    c->text = ffcl_format("%s", said);
    if (!c->text)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for [output] compare");
    char *colon = strchr(c->text, ':'), *values = colon ? colon + 1 : NULL, *rest = NULL;
    const char *separator = strchr(c->text, '|') ? "|" : ",";
    if (colon)
        *colon = '\0';
    c->key = trim(c->text);
    for (char *v = values ? strtok_r(values, separator, &rest) : NULL; v && c->n <= MOST_VALUES;
         v = strtok_r(NULL, separator, &rest)) {
        if (c->n == MOST_VALUES)
            return ffcl_fail(err, FFCL_ECONFIG, "[output] compare has more than %d values",
                             MOST_VALUES);
        c->values[c->n++] = trim(v);
    }
    return c->n && strchr(c->key, '.')
               ? 0 : ffcl_fail(err, FFCL_ECONFIG, "[output] compare = %s is not a key and its "
                               "values, such as sampler.steps: 1, 2, 4", said);
}

static int refuse(const ffcl_config *cfg, const comparison *c, ffcl_error *err)
{
    if (!cfg->output.grid || ffcl_config_keeps_samples(cfg) || ffcl_config_evaluates(cfg))
        return ffcl_fail(err, FFCL_ECONFIG, "[output] compare makes a grid alone: leave folder and "
                         "npz empty, [eval] reference off, and name the grid");
    if (!strncmp(c->key, "output.", 7) || !strncmp(c->key, "eval.", 5) ||
        !strcmp(c->key, "sampler.count") || !strcmp(c->key, "sampler.classes"))
        return ffcl_fail(err, FFCL_ECONFIG, "[output] compare: %s does not say what an image is "
                         "like", c->key);
    return 0;
}

static char *column_path(const ffcl_config *cfg, size_t i)
{
    return ffcl_format("%s.column%zu.png", cfg->output.grid, i);
}

/* Opens and closes a copy of cfg with the value. */
static int configure(ffcl_config **out, const ffcl_config *cfg, const comparison *c, size_t i,
                     ffcl_error *err)
{
    char *path = column_path(cfg, i), *value = ffcl_format("%s=%s", c->key, c->values[i]);
    char *grid = path ? ffcl_format("output.grid=%s", path) : NULL;
    int rc = grid && value ? ffcl_config_copy(out, cfg, err)
                           : ffcl_fail(err, FFCL_ENOMEM, "out of memory for [output] compare");
    if (!rc)
        rc = ffcl_config_set(*out, "output.compare=none", err);
    if (!rc)
        rc = ffcl_config_set(*out, "output.columns=1", err);
    if (!rc)
        rc = ffcl_config_set(*out, "output.metadata=none", err);
    if (!rc)
        rc = ffcl_config_set(*out, grid, err);
    if (!rc)
        rc = ffcl_config_set(*out, value, err);
    free(path);
    free(value);
    free(grid);
    return rc;
}

static int run_column(ffcl_session *s, const ffcl_config *cfg, const comparison *c, size_t i)
{
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    ffcl_config *own = NULL;
    ffcl_sampler *sampler = NULL;
    int rc = configure(&own, cfg, c, i, &s->err);
    if (!rc && !s->progress.quiet)
        ffcl_help_line(s->progress.out, 4, "column %zu of %zu: %s = %s", i + 1, c->n, c->key,
                       c->values[i]);
    if (!rc)
        rc = ffcl_sampler_open(&sampler, own, &observer, &s->err);
    ffcl_interrupt_set(&s->interrupt, sampler);
    if (!rc)
        rc = ffcl_sampler_run(sampler, &s->err);
    ffcl_interrupt_set(&s->interrupt, NULL);
    ffcl_progress_end(&s->progress);
    ffcl_sampler_close(&sampler);
    ffcl_config_close(&own);
    return rc;
}

/* Places the images of column i of the grid; the first column says how large they are. */
static int place_column(uint8_t **grid, size_t size[2], const ffcl_config *cfg,
                        const comparison *c, size_t i, ffcl_error *err)
{
    const size_t n = ffcl_config_count(cfg);
    size_t H, W, pad_h, pad_w, h = 0, w = 0, all_h, all_w;
    uint8_t *strip = NULL;
    char *path = column_path(cfg, i);
    int rc = path ? ffcl_png_read(path, &strip, &H, &W, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for [output] compare");
    free(path);
    if (rc)
        return rc;
    ffcl_grid_size(n, 1, 0, 0, &pad_h, &pad_w);     /* the padding alone */
    h = (H - pad_h) / n;
    w = W - pad_w;
    ffcl_grid_size(n * c->n, c->n, h, w, &all_h, &all_w);
    if (!*grid) {
        *grid = calloc(all_h * all_w, 3);
        size[0] = all_h;
        size[1] = all_w;
    }
    uint8_t *image = malloc(h * w * 3 + 1);
    if (!*grid || !image)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for a grid of %zu x %zu pixels", all_w,
                       all_h);
    else if (size[0] != all_h || size[1] != all_w)
        rc = ffcl_fail(err, FFCL_ECONFIG, "[output] compare: the images of %s = %s are of another "
                       "size", c->key, c->values[i]);
    for (size_t k = 0; !rc && k < n; k++) {
        const size_t top = n > 1 ? pad_h / (n + 1) * (k + 1) + k * h : 0;
        const size_t left = pad_w / 2;
        for (size_t y = 0; y < h; y++)
            memcpy(image + y * w * 3, strip + ((top + y) * W + left) * 3, w * 3);
        ffcl_grid_place(*grid, n * c->n, c->n, h, w, k * c->n + i, image);
    }
    free(image);
    free(strip);
    return rc;
}

int ffcl_compare_run(ffcl_session *s, const ffcl_config *cfg)
{
    comparison c = {.n = 0};
    uint8_t *grid = NULL;
    size_t size[2] = {0};
    const ffcl_png_text texts[] = {{"Software", "ffcl " FFCL_VERSION}, {NULL, NULL}};
    const ffcl_png_options options = {
        .level = -1, .texts = ffcl_config_has_metadata(cfg) ? texts : NULL};
    int rc = parse(&c, cfg->output.compare, &s->err);
    if (!rc)
        rc = refuse(cfg, &c, &s->err);
    for (size_t i = 0; !rc && i < c.n; i++) {           /* before the first takes its time */
        ffcl_config *own = NULL;
        rc = configure(&own, cfg, &c, i, &s->err);
        ffcl_config_close(&own);
    }
    for (size_t i = 0; !rc && i < c.n; i++)
        rc = run_column(s, cfg, &c, i);
    for (size_t i = 0; !rc && i < c.n; i++)
        rc = place_column(&grid, size, cfg, &c, i, &s->err);
    if (!rc)
        rc = ffcl_png_write_as(cfg->output.grid, grid, size[0], size[1], &options, &s->err);
    for (size_t i = 0; i < c.n; i++) {
        char *path = column_path(cfg, i);
        if (path)
            unlink(path);
        free(path);
    }
    if (!rc && !s->progress.quiet)
        ffcl_help_line(s->progress.out, 4, "%s has a column for each of %s", cfg->output.grid,
                       cfg->output.compare);
    free(grid);
    free(c.text);
    return rc;
}
