/* SPDX-License-Identifier: MIT
 * An old JSON to compare with, of this version of the format and the one before. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include <cjson/cJSON.h>
#include "files/input.h"
#include "files/json.h"

const char *const ffcl_bench_change_names[] = {"", "same", "faster", "slower", "new"};

const char *ffcl_bench_text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

double ffcl_bench_number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

int ffcl_bench_read_json(cJSON **out, const char *kind, const char *path, ffcl_error *err)
{
    enum { MOST = 64 << 20 };
    char *text = NULL;
    size_t n = 0;
    int rc = ffcl_input_read(&text, &n, path, MOST, err);
    *out = NULL;
    if (!rc)
        rc = ffcl_json_parse(out, text, n, NULL, path, err);
    if (!rc || rc == FFCL_EFORMAT) {
        const int is_model = !strcmp(kind, "ffcl-bench-model");
        const double version = ffcl_bench_number_of(*out, "version");
        if (!*out || strcmp(ffcl_bench_text_of(*out, "format"), kind))
            rc = ffcl_fail(err, FFCL_EFORMAT, "%s is not what ffcl bench %s--json writes", path,
                           is_model ? "model " : "");
        else if (version != FFCL_BENCH_FORMAT && version != 1)
            rc = ffcl_fail(err, FFCL_EFORMAT, "%s has version %g of the format, and this ffcl "
                           "reads versions 1 and %d", path, version, FFCL_BENCH_FORMAT);
    }
    if (rc) {
        cJSON_Delete(*out);
        *out = NULL;
    }
    free(text);
    return rc;
}

/* "M=64 N=3456", as version 1 had it, of the numbers by letter. */
static void shape_of(const cJSON *c, char *text, size_t size)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(c, "shape"), *number;
    size_t used = 0;
    snprintf(text, size, "%s", ffcl_bench_text_of(c, "shape"));
    cJSON_ArrayForEach(number, shape)
        if (cJSON_IsNumber(number) && number->string && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s=%.0f", used ? " " : "",
                                     number->string, number->valuedouble);
}

static int is_case(const cJSON *c, const ffcl_bench_case *what)
{
    char old[256], shape[256];
    if (strcmp(ffcl_bench_text_of(c, "kernel"), what->row->name))
        return 0;
    ffcl_row_text(what->row, &what->shape, shape, sizeof shape);
    shape_of(c, old, sizeof old);
    return !strcmp(old, shape);
}

static const cJSON *find_case(const cJSON *old, const ffcl_bench_case *what)
{
    const cJSON *c;
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(old, "cases"))
        if (is_case(c, what))
            return c;
    return NULL;
}

int ffcl_bench_is_other_device(const ffcl_device *of, const cJSON *old)
{
    const cJSON *device = cJSON_GetObjectItemCaseSensitive(old, "device");
    return strcmp(ffcl_bench_text_of(device, "name"), of->caps.name) ||
           strcmp(ffcl_bench_text_of(device, "driver"), of->caps.driver);
}

/* Beyond the spread: medians differ by more than both spreads together, as independent errors add
 * up, and by more than the clock resolves. */
ffcl_bench_change ffcl_bench_change_of(double median, double spread, double old, double old_spread)
{
    static const double clock_step = 1e-6, least_spread = 0.01;
    if (!isfinite(old) || !isfinite(old_spread))
        return FFCL_CHANGE_NEW;
    const double both = hypot(fmax(old_spread, least_spread) * old,
                              fmax(spread, least_spread) * median);
    return fabs(median - old) <= fmax(both, clock_step) ? FFCL_CHANGE_SAME
           : median < old                               ? FFCL_CHANGE_FASTER
                                                        : FFCL_CHANGE_SLOWER;
}

void ffcl_bench_compare(const cJSON *old, ffcl_bench_result *r)
{
    if (r->status != FFCL_BENCH_OK)
        return;
    const cJSON *c = find_case(old, &r->what);
    const double median = 1e-3 * ffcl_bench_number_of(c, "median_ms");
    r->change = ffcl_bench_change_of(r->median, r->spread, median,
                                     ffcl_bench_number_of(c, "spread"));
    r->old = r->change == FFCL_CHANGE_NEW ? 0 : median;
}

/* Of the old cases that match, those that are no more. */
void ffcl_bench_compare_rest(ffcl_bench_report *report, const cJSON *old)
{
    const cJSON *c;
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(old, "cases")) {
        size_t i = 0;
        if (strcmp(ffcl_bench_text_of(c, "status"), "ok") ||
            !ffcl_row_matches(report->options->pattern, ffcl_bench_text_of(c, "kernel")))
            continue;
        while (i < report->n && !is_case(c, &report->results[i].what))
            i++;
        report->gone += i == report->n;
    }
}
