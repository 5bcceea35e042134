/* SPDX-License-Identifier: MIT
 * ffcl classes: the names of classes and their numbers. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "class_names.h"
#include "program/command.h"
#include "util.h"

/* "0-9", as [sampler] classes has it. */
static int is_in_range(size_t label, const char *pattern)
{
    unsigned long long first, last;
    int end = 0;
    return strspn(pattern, "0123456789-") == strlen(pattern) &&
           sscanf(pattern, "%llu-%llu%n", &first, &last, &end) == 2 && !pattern[end] &&
           label >= first && label <= last;
}

/* The pattern fits a name as it stands, a part of one, or is the class's number or a range. */
static int is_wanted(const ffcl_class_names *names, size_t label, const char *pattern)
{
    char number[24], *inside = ffcl_format("*%s*", pattern);
    snprintf(number, sizeof number, "%zu", label);
    const int fits = !strcmp(number, pattern) || is_in_range(label, pattern) ||
                     (inside && ffcl_class_names_match(names, label, inside, strlen(inside))) ||
                     ffcl_class_names_match(names, label, pattern, strlen(pattern));
    free(inside);
    return fits;
}

static void add_json(cJSON *all, const ffcl_class_names *names, size_t label)
{
    cJSON *one = cJSON_CreateObject(), *list;
    char name[300];
    cJSON_AddNumberToObject(one, "class", (double)label);
    list = cJSON_AddArrayToObject(one, "names");
    for (const char *at = ffcl_class_names_get(names, label); *at;) {
        const size_t n = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        cJSON_AddItemToArray(list, cJSON_CreateString(name));
        at += n + strspn(at + n, ", ");
    }
    cJSON_AddItemToArray(all, one);
}

static int run_classes(ffcl_session *s)
{
    const char *which = ffcl_option_text(s, "names"), *pattern = s->n_words ? s->words[0] : "*";
    cJSON *json = ffcl_option_text(s, "json") ? cJSON_CreateArray() : NULL;
    ffcl_class_names *names = NULL;
    char list[600];
    size_t found = 0;
    which = which ? which : FFCL_IMAGENET_NAMES;
    int rc = s->n_words > 1 ? ffcl_bad_usage(s, "classes takes one pattern (quote blanks and *), "
                                             "not also", s->words[1]) : 0;
    if (!rc)
        rc = ffcl_class_names_open(&names, which, &s->err);
    for (size_t i = 0; !rc && i < ffcl_class_names_count(names); i++) {
        if (!is_wanted(names, i, pattern))
            continue;
        found++;
        if (json)
            add_json(json, names, i);
        else
            ffcl_help_line(stdout, 5, "%3zu  %s", i, ffcl_class_names_get(names, i));
    }
    if (!rc && !found) {
        ffcl_class_names_suggest(names, pattern, strlen(pattern), list, sizeof list);
        s->err.code = rc = FFCL_EUSAGE;
        if (*pattern != '-' && strspn(pattern, "0123456789-") == strlen(pattern))
            snprintf(s->err.text, sizeof s->err.text, "class %.80s of %.200s is out of range (0 to "
                     "%zu)", pattern, which, ffcl_class_names_count(names) - 1);
        else
            snprintf(s->err.text, sizeof s->err.text, "no class of %.200s is called %.80s%s%s%s",
                     which, pattern, *list ? "; did you mean " : "", list, *list ? "?" : "");
    }
    char *text = json && !rc ? cJSON_Print(json) : NULL;
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(json);
    ffcl_class_names_close(&names);
    return rc;
}

static const ffcl_option options[] = {
    {"names", 0, "FILE", "names of a file, as [sampler] class_names (those of ImageNet)", NULL},
    {"json", 0, NULL, "as JSON", NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_classes_command = {
    .name = "classes", .summary = "list the names of classes and their numbers",
    .usage = "classes [PATTERN]\n", .options = options,
    .help = "PATTERN is a number, a range such as 0-9, a part of a name, or a name with *\n"
            "for any letters. The same names stand in [sampler] classes: golden retriever,\n"
            "360, *tabby*. They are those of WordNet's synsets.\n",
    .run = run_classes,
};
