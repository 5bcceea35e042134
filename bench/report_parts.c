/* SPDX-License-Identifier: MIT
 * The parts of ffcl report. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "cl/profile.h"
#include "files/json.h"
#include "report.h"
#include "text.h"
#include "tune/xl2.h"
#include "util.h"
#include <cjson/cJSON.h>

/* Seconds that the benchmark takes of each kind of kernel, about. */
static const double seconds_each = 4.0;

void ffcl_report_scrub(char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        const int begins = from == text || strchr(" \t\n\"'(=:,", from[-1]);
        if (begins && (*from == '/' || *from == '~') && (isalnum((unsigned char)from[1]) ||
                                                         from[1] == '/' || from[1] == '.')) {
            const size_t n = strcspn(from, " \t\n\"'),;:");
            /* "(path)" is no longer than what it replaces, or there is room before. */
            static const char word[] = "(path)";
            const size_t w = ffcl_min(n, sizeof word - 1);
            memmove(to, word, w);
            to += w;
            from += n;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

static void add_line(cJSON *list, const char *line)
{
    char text[1024];
    snprintf(text, sizeof text, "%.1000s", line);
    ffcl_text_clean(text, 0);
    ffcl_report_scrub(text);
    cJSON_AddItemToArray(list, cJSON_CreateString(text));
}

/* ---- the device ------------------------------------------------------------------------------ */

typedef struct visit {
    cJSON *to;
    size_t index;
} visit;

static void see_device(void *user, size_t index, const char *title, const char *const *lines)
{
    const visit *v = user;
    (void)title;
    if (index != v->index)
        return;
    cJSON *list = cJSON_AddArrayToObject(v->to, "lines");
    for (; *lines; lines++)
        add_line(list, *lines);
}

void ffcl_report_caps(cJSON *to, const ffcl_device *device)
{
    ffcl_error err = {0, ""};
    visit v = {to, device->index};
    char extensions[8192] = "not said", version[256] = "not said";
    ffcl_json_add_text(to, "name", device->caps.name);
    ffcl_devices(see_device, &v, &err);
    clGetDeviceInfo(device->id, CL_DEVICE_OPENCL_C_VERSION, sizeof version - 1, version, NULL);
    clGetDeviceInfo(device->id, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, NULL);
    ffcl_json_add_text(to, "opencl_c", version);
    ffcl_json_add_text(to, "extensions", extensions);
}

/* ---- the self-check -------------------------------------------------------------------------- */

static void see_line(void *user, const char *line)
{
    add_line(user, line);
}

void ffcl_report_selfcheck(cJSON *to, ffcl_config *cfg, const ffcl_observer *obs)
{
    ffcl_error err = {0, ""};
    cJSON *list = cJSON_AddArrayToObject(to, "selfcheck");
    if (ffcl_selfcheck(cfg, obs, see_line, list, &err))
        add_line(list, err.text);
}

/* ---- kernels --------------------------------------------------------------------------------- */

typedef struct counts {
    size_t passed, failed, skipped;
    cJSON *failures;
} counts;

static void try_case(ffcl_ctx *ctx, const ffcl_row *row, const ffcl_shape *shape, counts *n)
{
    ffcl_case c = {.ctx = ctx, .row = row, .shape = *shape, .fill = FFCL_FILL_NOISE, .seed = 1};
    ffcl_comparison v = {0};
    char text[256], line[1024];
    ffcl_case_begin(&c);
    if (ffcl_case_skip(&c)) {
        n->skipped++;
        ffcl_case_end(&c);
        return;
    }
    const int rc = ffcl_case_check(&c, &v);
    ffcl_row_text(row, shape, text, sizeof text);
    if (rc || v.bad || v.trespass) {
        n->failed++;
        if (rc)
            snprintf(line, sizeof line, "%s %s: %.600s", row->name, text, ctx->err->text);
        else if (v.trespass)
            snprintf(line, sizeof line, "%s %s: %s changed", row->name, text, v.trespass);
        else
            snprintf(line, sizeof line, "%s %s: %zu wrong, the first is %.9g and not %.9g; max abs "
                     "error %.3g", row->name, text, v.bad, v.got, v.want, v.max_abs);
        add_line(n->failures, line);
    } else {
        n->passed++;
    }
    ffcl_case_end(&c);
}

/* Shapes that count: all, or the small ones, and where a row has none its first. */
static void try_row(ffcl_ctx *ctx, const ffcl_row *row, int all, counts *n)
{
    const size_t before = n->passed + n->failed + n->skipped;
    for (int k = 0; k < 2; k++)
        for (const ffcl_shape *s = k ? row->awkward : row->model; s->d[0]; s++)
            if (all || (s->flags & FFCL_SHAPE_SMALL))
                try_case(ctx, row, s, n);
    if (before == n->passed + n->failed + n->skipped && row->awkward->d[0])
        try_case(ctx, row, row->awkward, n);
}

void ffcl_report_rows(cJSON *to, ffcl_ctx *ctx, const char *pattern, int all,
                      const ffcl_observer *obs)
{
    counts n = {.failures = cJSON_CreateArray()};
    const ffcl_row *row;
    size_t rows = 0;
    while (ffcl_row_at(rows))
        rows++;
    for (size_t i = 0; (row = ffcl_row_at(i)); i++) {
        ffcl_report(obs, FFCL_PHASE_CHECK, NULL, i, rows);
        if (ffcl_row_matches(pattern, row->name))
            try_row(ctx, row, all, &n);
    }
    ffcl_report(obs, FFCL_PHASE_CHECK, NULL, rows, rows);
    cJSON *k = cJSON_AddObjectToObject(to, "kernels");
    cJSON_AddStringToObject(k, "shapes", all ? "all" : "small");
    cJSON_AddNumberToObject(k, "passed", (double)n.passed);
    cJSON_AddNumberToObject(k, "failed", (double)n.failed);
    cJSON_AddNumberToObject(k, "skipped", (double)n.skipped);
    cJSON_AddItemToObject(k, "failures", n.failures);
}

/* ---- times ----------------------------------------------------------------------------------- */

static void time_kind(ffcl_bench_meter *meter, const ffcl_bench_report *report, ffcl_ctx *ctx,
                      cJSON *to)
{
    ffcl_bench_case *list = NULL;
    size_t left_out;
    char shape[256];
    size_t n = 0;
    const double began = ffcl_clock();
    if (ffcl_bench_cases(&list, &n, &left_out, ctx, report->options, ctx->err))
        n = 0;
    for (size_t i = 0; i < n && ffcl_clock() - began < seconds_each; i++) {
        ffcl_bench_result *r = calloc(1, sizeof *r);
        if (!r || !*list[i].role) {
            free(r);
            continue;
        }
        r->what = list[i];
        ffcl_bench_measure(meter, r);
        if (r->status == FFCL_BENCH_OK) {
            ffcl_bench_share(report, r);
            ffcl_row_text(r->what.row, &r->what.shape, shape, sizeof shape);
            cJSON *c = cJSON_CreateObject();
            cJSON_AddStringToObject(c, "kernel", r->what.row->name);
            cJSON_AddStringToObject(c, "role", r->what.role);
            cJSON_AddStringToObject(c, "shape", shape);
            cJSON_AddStringToObject(c, "variant", r->variant);
            cJSON_AddNumberToObject(c, "ms", 1e3 * r->median);
            cJSON_AddNumberToObject(c, "share", r->share);
            cJSON_AddItemToArray(to, c);
        }
        free(r);
    }
    free(list);
}

void ffcl_report_bench(cJSON *to, ffcl_ctx *ctx, const char *pattern)
{
    static const char *const kinds[] = {"gemm*", "conv_*", "attn*", "layernorm*", "groupnorm_silu*",
                                        "half*"};
    ffcl_bench_options o = {.pattern = "", .device = "auto", .backend = "", .seed = 1,
                            .sizes = {256}, .n_sizes = 1, .batches = {1}, .n_batches = 1,
                            .seconds = 0.05, .rounds = 1, .quick = 1};
    ffcl_bench_report report = {.options = &o, .device = &ctx->device};
    ffcl_bench_meter *meter = NULL;
    cJSON *b = cJSON_AddObjectToObject(to, "bench");
    int rc = ffcl_bench_meter_open(&meter, ctx, &o);
    if (!rc)
        rc = ffcl_bench_roofs(meter, &report);
    if (rc) {
        cJSON *failures = cJSON_AddArrayToObject(b, "failures");
        add_line(failures, ctx->err->text);
    } else {
        cJSON_AddNumberToObject(b, "memory_gb_s", report.roofs[FFCL_ROOF_COPY] / 1e9);
        cJSON_AddNumberToObject(b, "float32_gflop_s", report.roofs[FFCL_ROOF_FMA] / 1e9);
        cJSON *cases = cJSON_AddArrayToObject(b, "cases");
        for (size_t k = 0; k < (*pattern ? 1 : sizeof kinds / sizeof *kinds); k++) {
            o.pattern = *pattern ? pattern : kinds[k];
            time_kind(meter, &report, ctx, cases);
        }
    }
    ffcl_bench_meter_close(&meter);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void see_plan(void *user, ffcl_phase phase, const char *text, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    if ((phase == FFCL_PHASE_NOTE || phase == FFCL_PHASE_WARN) && text &&
        (strncmp(text, "plan: ", 6) == 0 || strncmp(text, "batch ", 6) == 0))
        snprintf(user, 400, "%s", text + (text[0] == 'p' ? 6 : 0));
}

/* SiT-XL/2 and the decoder at side x side. */
static void plan_one(cJSON *list, const ffcl_config *cfg, const ffcl_device *device, size_t side,
                     const char *compute, size_t batch)
{
    char text[400] = "", line[600], setting[48];
    ffcl_error err = {0, ""};
    const ffcl_observer observer = {see_plan, text};
    snprintf(setting, sizeof setting, "precision.compute=%s", compute);
    const ffcl_xl2 xl2 = {side, batch, (const char *const[]){setting, NULL}};
    int rc = ffcl_xl2_plan(&xl2, cfg, device, NULL, NULL, &observer, &err);
    snprintf(line, sizeof line, "XL/2 %zu, %s, batch %zu: %.500s", side, compute, batch,
             rc ? err.text : text);
    add_line(list, line);
}

void ffcl_report_plans(cJSON *to, const ffcl_config *cfg, const ffcl_device *device)
{
    cJSON *list = cJSON_AddArrayToObject(to, "plans");
    for (size_t side = 256; side <= 512; side *= 2)
        for (int half = 0; half < 2; half++)
            for (size_t batch = 1; batch <= 8; batch *= 8)
                plan_one(list, cfg, device, side, half ? "half" : "float32", batch);
}
