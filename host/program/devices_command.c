/* SPDX-License-Identifier: MIT
 * ffcl devices. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "cl/device.h"
#include "files/json.h"
#include "program/command.h"
#include "program/gpu_hint.h"

typedef struct listing {
    int is_short;
    int is_json;                /* nothing is printed */
    int answers[FFCL_GPU_VENDORS];
} listing;

/* What stands behind "NAME: " in one of the lines, "" where none has it. */
static const char *value_of(const char *const *lines, const char *name)
{
    const size_t n = strlen(name);
    for (; *lines; lines++)
        if (!strncmp(*lines, name, n) && !strncmp(*lines + n, ": ", 2))
            return *lines + n + 2;
    return "";
}

/* Numbers as numbers: bytes, MHz, counts. */
static int add_json(cJSON *all, const ffcl_device *d)
{
    const ffcl_caps *c = &d->caps;
    char select[48];
    cJSON *one = cJSON_CreateObject();
    snprintf(select, sizeof select, "%zu:%zu", d->platform_index, d->device_index);
    const struct { const char *name, *text; } texts[] = {
        {"select", select}, {"name", c->name}, {"type", ffcl_device_kind(c)},
        {"vendor", c->vendor}, {"platform", c->platform},
        {"platform_version", c->platform_version}, {"driver", c->driver}, {"version", c->version},
    };
    const struct { const char *name; double value; } numbers[] = {
        {"compute_units", (double)c->units}, {"clock_mhz", (double)c->clock},
        {"memory_bytes", (double)c->global_bytes},
        {"largest_buffer_bytes", (double)c->max_alloc_bytes},
        {"local_memory_bytes", (double)c->local_bytes},
        {"largest_work_group", (double)c->max_work_group},
    };
    int ok = cJSON_AddNumberToObject(one, "index", (double)d->index) != NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ok = ok && ffcl_json_add_text(one, texts[i].name, texts[i].text);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ok = ok && cJSON_AddNumberToObject(one, numbers[i].name, numbers[i].value);
    ok = ok && cJSON_AddBoolToObject(one, "shares_host_memory", c->unified) &&
         cJSON_AddBoolToObject(one, "half_precision", c->half);
    if (ok && cJSON_AddItemToArray(all, one))
        return 1;
    cJSON_Delete(one);
    return 0;
}

static int print_json(ffcl_error *err)
{
    ffcl_device *list = NULL;
    size_t n = 0;
    cJSON *all = cJSON_CreateArray();
    int rc = ffcl_device_list(&list, &n, err);
    int ok = all != NULL;
    for (size_t i = 0; !rc && i < n; i++)
        ok = ok && add_json(all, &list[i]);
    char *text = ok && !rc ? cJSON_Print(all) : NULL;
    if (!rc && !text)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the list of devices");
    if (text)
        puts(text);
    free(text);
    free(list);
    cJSON_Delete(all);
    return rc;
}

static void add_device(void *user, size_t index, const char *title, const char *const *lines)
{
    listing *l = user;
    for (const char *const *line = lines; *line; line++)
        ffcl_gpu_answers(*line, l->answers);
    if (l->is_json)
        return;
    if (l->is_short) {
        /* A CPU's memory is the host's in any case. */
        const char *type = value_of(lines, "type");
        const int is_shared = strcmp(type, "CPU") && strstr(value_of(lines, "memory"), "shared");
        ffcl_help_line(stdout, 2, "%zu %s %s%s", index, type, title,
                       is_shared ? ", shares the host's memory" : "");
    } else {
        fputs(index ? "\n" : "", stdout);
        ffcl_help_line(stdout, 4, "[%zu] %s", index, title);
        for (; *lines; lines++)
            ffcl_help_line(stdout, 6, "    %s", *lines);
    }
}

static int run_devices(ffcl_session *s)
{
    listing l = {.is_short = ffcl_option_text(s, "list") != NULL,
                 .is_json = ffcl_option_text(s, "json") != NULL};
    int found[FFCL_GPU_VENDORS];
    char hint[1600];
    int rc = ffcl_take_nothing(s);
    if (rc)
        return rc;
    rc = ffcl_devices(add_device, &l, &s->err);
    if (!rc && l.is_json)
        rc = print_json(&s->err);
    ffcl_gpu_find("/sys", found);
    ffcl_gpu_hint(found, l.answers, hint, sizeof hint);
    if (*hint && !s->progress.quiet) {
        fputc('\n', s->progress.out);
        ffcl_help_text(s->progress.out, hint);
    }
    return rc;
}

static const ffcl_option options[] = {
    {"list", 'l', NULL, "a line each: index, type, name", NULL},
    {"json", 0, NULL, "as JSON", NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_devices_command = {
    .name = "devices", .summary = "list the OpenCL devices",
    .usage = "devices\n", .options = options,
    .help = "The number in brackets is what device.select takes; so it does part of a name,\n"
            "and platform:device, which stands in parentheses. Where the system shows a\n"
            "graphics card and no OpenCL driver answers for it, the packages that are\n"
            "missing are named.\n",
    .run = run_devices,
};
