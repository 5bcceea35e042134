/* SPDX-License-Identifier: MIT */
#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/paths.h"

char *ffcl_format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

void ffcl_point(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        const int is_number = strchr("0123456789+-einfa", *at) != NULL;
        if (is_number)
            *to++ = *at;
        else if (to == text || to[-1] != '.')       /* of several bytes in some locales */
            *to++ = '.';
    }
    *to = '\0';
}

char *ffcl_path_join(const char *dir, const char *name)
{
    if (!dir || !*dir || ffcl_path_is_absolute(name))
        return ffcl_format("%s", name);
    return ffcl_format("%s/%s", dir, name);
}

char *ffcl_path_dir(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ffcl_format(".");
    if (slash == path)
        return ffcl_format("/");
    return ffcl_format("%.*s", (int)(slash - path), path);
}

const char *ffcl_plural(size_t n)
{
    return n == 1 ? "" : "s";
}

size_t ffcl_edit_distance(const char *a, const char *b)
{
    size_t row[64];
    size_t nb = ffcl_min(strlen(b), 63);
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < nb; j++) {
            size_t replace = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = ffcl_min(replace, ffcl_min(row[j], diagonal) + 1);
        }
    }
    return row[nb];
}

const char *ffcl_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

int ffcl_begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

int ffcl_is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(word, *words))
        words++;
    return *words != NULL;
}

double ffcl_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int ffcl_make_folders(const char *path)
{
    struct stat st;
    char *copy = ffcl_format("%s", path);
    int number = copy ? 0 : ENOMEM;
    for (char *p = copy ? copy + 1 : NULL; p && *p && !number; p++)
        if (*p == '/') {
            *p = '\0';
            const int why = mkdir(copy, 0700) ? errno : 0;
            if (why && stat(copy, &st))     /* some systems refuse what is there */
                number = why;
            *p = '/';
        }
    free(copy);
    return number;
}

size_t ffcl_cores(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (size_t)n : 1;
}
