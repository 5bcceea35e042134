/* SPDX-License-Identifier: MIT
 * Results a line a case: JSON Lines, and a Markdown table for an issue or a page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include <cjson/cJSON.h>

/* The text of a stream that was made by open_memstream, to path. */
static int write_stream(FILE *f, char **text, const char *path, ffcl_error *err)
{
    fclose(f);
    int rc = *text ? ffcl_bench_write_text(path, *text, err)
                   : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    free(*text);
    return rc;
}

/* Each line has the head, so that lines of several files can be put together. */
int ffcl_bench_write_jsonl(const ffcl_bench_report *report, const char *path, ffcl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    for (size_t i = 0; i < report->n; i++) {
        cJSON *line = ffcl_bench_head_json(report);
        cJSON *result = ffcl_bench_result_json(&report->results[i]);
        while (result && result->child) {
            cJSON *item = cJSON_DetachItemViaPointer(result, result->child);
            cJSON_AddItemToObject(line, item->string, item);
        }
        cJSON_Delete(result);
        char *printed = cJSON_PrintUnformatted(line);
        cJSON_Delete(line);
        fprintf(f, "%s\n", printed ? printed : "");
        free(printed);
    }
    return write_stream(f, &text, path, err);
}

static void put_row(FILE *f, const ffcl_bench_report *report, const ffcl_bench_result *r)
{
    char shape[96];
    ffcl_bench_shape_text(&r->what, shape, sizeof shape);
    fprintf(f, "| %s | %s | %s | %s | ", r->what.row->name, r->variant, r->what.role, shape);
    if (r->status != FFCL_BENCH_OK) {
        fprintf(f, "%s | | | | | %s |%s\n", r->status == FFCL_BENCH_FAILED ? "FAILED" : "skipped",
                r->reason, report->old_name ? " |" : "");
        return;
    }
    fprintf(f, "%.4g | %.1f %% | %.4g | %.4g | %.0f %% | %s |", 1e3 * r->median, 100 * r->spread,
            1e-9 * r->cost.flops / r->median, 1e-9 * r->cost.bytes / r->median, 100 * r->share,
            r->is_checked ? "checked" : "not checked");
    if (report->old_name && r->old > 0)
        fprintf(f, " %.2fx, %s |", r->old / r->median, ffcl_bench_change_names[r->change]);
    else if (report->old_name)
        fprintf(f, " %s |", ffcl_bench_change_names[r->change]);
    fputc('\n', f);
}

int ffcl_bench_write_markdown(const ffcl_bench_report *report, const char *path, ffcl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    fprintf(f, "%s, driver %s, %s%s%s, %.10s, ffcl %s, commit %s; other processes had %.0f %% of "
            "the processors\n\n", report->device->caps.name, report->device->caps.driver,
            report->blas, *report->unit ? " and " : "", report->unit, report->date, FFCL_VERSION,
            ffcl_bench_commit(), 100 * report->others);
    fprintf(f, "| kernel | variant | what | shape | ms | +- | GFLOP/s | GB/s | %% of roofline "
               "| result |%s\n"
            "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |%s\n",
            report->old_name ? " against old |" : "", report->old_name ? " --- |" : "");
    for (size_t i = 0; i < report->n; i++)
        put_row(f, report, &report->results[i]);
    return write_stream(f, &text, path, err);
}
