/* SPDX-License-Identifier: MIT
 * Functions on text that Windows' C library does not have. */
#include <ctype.h>

#include "os/windows/include/fnmatch.h"
#include "os/windows/native.h"

#undef fflush
#undef fclose

ssize_t getline(char **line, size_t *capacity, FILE *from)
{
    size_t n = 0;
    for (int c = 0; c != '\n';) {
        if (!*line || n + 2 > *capacity) {
            const size_t more = *capacity ? 2 * *capacity : 128;
            char *longer = realloc(*line, more);
            if (!longer)
                return -1;
            *line = longer;
            *capacity = more;
        }
        c = getc(from);
        if (c == EOF)
            break;
        (*line)[n++] = (char)c;
    }
    if (!n)
        return -1;
    (*line)[n] = '\0';
    return (ssize_t)n;
}

char *strsep(char **rest, const char *separators)
{
    char *from = *rest;
    if (!from)
        return NULL;
    char *end = from + strcspn(from, separators);
    *rest = *end ? end + 1 : NULL;
    *end = '\0';
    return from;
}

char *strcasestr(const char *text, const char *part)
{
    const size_t n = strlen(part);
    for (; ; text++) {
        if (!strncasecmp(text, part, n))
            return (char *)(uintptr_t)text;
        if (!*text)
            return NULL;
    }
}

void *memmem(const void *text, size_t n, const void *part, size_t n_part)
{
    const char *p = text;
    for (; n >= n_part; p++, n--)
        if (!memcmp(p, part, n_part))
            return (void *)(uintptr_t)p;
    return NULL;
}

/* The class "[...]" at p against c; *end: behind it. */
static int in_class(const char *p, char c, const char **end)
{
    const int is_not = p[1] == '!' || p[1] == '^';
    const char *at = p + 1 + is_not;
    int is_in = 0;
    for (int first = 1; *at && (first || *at != ']'); first = 0) {
        const char low = *at++;
        char high = low;
        if (at[0] == '-' && at[1] && at[1] != ']') {
            high = at[1];
            at += 2;
        }
        is_in |= (unsigned char)c >= (unsigned char)low && (unsigned char)c <= (unsigned char)high;
    }
    *end = *at ? at + 1 : NULL;     /* NULL: it has no end, so that [ is a letter */
    return is_in != is_not;
}

int fnmatch(const char *pattern, const char *text, int flags)
{
    const char *p = pattern, *t = text, *star = NULL, *behind = NULL, *end = NULL;
    (void)flags;
    while (*t) {
        int fits = 0;
        if (*p == '*') {
            star = ++p;
            behind = t;
            continue;
        }
        if (*p == '[' && (fits = in_class(p, *t, &end), end)) {
            p = fits ? end : p;
        } else if (*p == '\\' && p[1]) {
            fits = p[1] == *t;
            p += fits ? 2 : 0;
        } else {
            fits = *p == '?' || *p == *t;
            p += fits && *p;
        }
        if (fits) {
            t++;
        } else if (star) {
            p = star;
            t = ++behind;
        } else {
            return FNM_NOMATCH;
        }
    }
    while (*p == '*')
        p++;
    return *p ? FNM_NOMATCH : 0;
}

/* ---- streams into memory: a file without a name, read when it is flushed or closed --------- */

typedef struct stream {
    FILE *file;
    char **text;
    size_t *size;
    struct stream *next;
} stream;

static struct {
    pthread_mutex_t mutex;
    stream *first;
} streams = {.mutex = PTHREAD_MUTEX_INITIALIZER};

FILE *open_memstream(char **text, size_t *size)
{
    int fd = memfd_create("text", MFD_CLOEXEC);
    stream *s = calloc(1, sizeof *s);
    FILE *file = fd >= 0 && s ? fdopen(fd, "w+b") : NULL;
    if (!file) {
        free(s);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    *text = calloc(1, 1);
    *size = 0;
    *s = (stream){file, text, size, NULL};
    pthread_mutex_lock(&streams.mutex);
    s->next = streams.first;
    streams.first = s;
    pthread_mutex_unlock(&streams.mutex);
    return file;
}

/* The link to the stream of a file; NULL where it is an ordinary one. */
static stream **find(FILE *file)
{
    for (stream **s = &streams.first; *s; s = &(*s)->next)
        if ((*s)->file == file)
            return s;
    return NULL;
}

static int take_text(stream *s)
{
    struct stat st;
    if (fflush(s->file) || fstat(fileno(s->file), &st))
        return EOF;
    const size_t n = (size_t)st.st_size;
    char *text = malloc(n + 1);
    if (!text || pread(fileno(s->file), text, n, 0) != (ssize_t)n) {
        free(text);
        return EOF;
    }
    text[n] = '\0';
    free(*s->text);
    *s->text = text;
    *s->size = n;
    return 0;
}

int ffcl_windows_fflush(FILE *f)
{
    pthread_mutex_lock(&streams.mutex);
    stream **s = f ? find(f) : NULL;
    int rc = s ? take_text(*s) : fflush(f);
    pthread_mutex_unlock(&streams.mutex);
    return rc;
}

int ffcl_windows_fclose(FILE *f)
{
    int rc = 0;
    pthread_mutex_lock(&streams.mutex);
    stream **s = find(f), *gone = s ? *s : NULL;
    if (gone) {
        rc = take_text(gone);
        *s = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&streams.mutex);
    return fclose(f) ? EOF : rc;
}

/* ---- times and numbers: ffcl never sets a locale, so that it is C's ------------------------- */

ffcl_locale newlocale(int mask, const char *name, ffcl_locale base)
{
    (void)mask, (void)name, (void)base;
    return 1;
}

void freelocale(ffcl_locale locale)
{
    (void)locale;
}

double strtod_l(const char *text, char **end, ffcl_locale locale)
{
    (void)locale;
    return strtod(text, end);
}

struct tm *ffcl_windows_gmtime(const time_t *when, struct tm *parts)
{
    return gmtime_s(parts, when) == 0 ? parts : NULL;
}

struct tm *ffcl_windows_localtime(const time_t *when, struct tm *parts)
{
    return localtime_s(parts, when) == 0 ? parts : NULL;
}
