/* SPDX-License-Identifier: MIT
 * ffcl devices. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "program/command.h"
#include "program/gpu_hint.h"

typedef struct listing {
    int is_short;
    cJSON *json;                /* an array; NULL: text is printed */
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

static void add_json(cJSON *all, size_t index, const char *title, const char *const *lines)
{
    cJSON *one = cJSON_CreateObject();
    char name[64];
    cJSON_AddNumberToObject(one, "index", (double)index);
    cJSON_AddStringToObject(one, "name", title);
    for (; *lines; lines++) {
        const size_t n = strcspn(*lines, ":");
        snprintf(name, sizeof name, "%.*s", (int)n, *lines);
        for (char *c = name; *c; c++)
            *c = *c == ' ' ? '_' : *c;
        cJSON_AddStringToObject(one, name, (*lines)[n] ? *lines + n + 2 : "");
    }
    cJSON_AddItemToArray(all, one);
}

static void add_device(void *user, size_t index, const char *title, const char *const *lines)
{
    listing *l = user;
    for (const char *const *line = lines; *line; line++)
        ffcl_gpu_answers(*line, l->answers);
    if (l->json) {
        add_json(l->json, index, title, lines);
    } else if (l->is_short) {
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
    listing l = {.is_short = ffcl_option_text(s, "list") != NULL};
    int found[FFCL_GPU_VENDORS];
    char hint[1600];
    int rc = ffcl_take_nothing(s);
    if (rc)
        return rc;
    if (ffcl_option_text(s, "json"))
        l.json = cJSON_CreateArray();
    rc = ffcl_devices(add_device, &l, &s->err);
    char *text = l.json && !rc ? cJSON_Print(l.json) : NULL;
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(l.json);
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
