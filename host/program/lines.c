/* SPDX-License-Identifier: MIT */
#include "program/lines.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

enum { WIDTH = 79, NARROWEST = 24 };

int ffcl_help_columns(FILE *out, int otherwise)
{
    struct winsize size = {0};
    if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) || !size.ws_col)
        return otherwise;
    return size.ws_col - 1 < NARROWEST ? NARROWEST : size.ws_col - 1;
}

/* The n bytes of text, which hold no newline, in lines. */
static void put_line(FILE *out, int at, int from, const char *text, size_t n)
{
    const int width = ffcl_help_columns(out, INT_MAX);
    const char *const end = text + n;
    while (text < end) {
        const char *word = text, *after;
        int length = 0;
        while (word < end && *word == ' ')
            word++;
        for (after = word; after < end && *after != ' '; after++)
            length += ((unsigned char)*after & 0xc0) != 0x80;
        int blanks = (int)(word - text);
        if (at > from && length > width - at - blanks) {
            /* A long word, such as an address, is whole where it can be. */
            at = length <= width - from ? from : length < width ? width - length : 0;
            fprintf(out, "\n%*s", at, "");
            blanks = 0;
        }
        fprintf(out, "%*s", blanks, "");
        fwrite(word, 1, (size_t)(after - word), out);
        at += blanks + length;
        text = after;
    }
    fputc('\n', out);
}

void ffcl_help_line_at(FILE *out, int at, int from, const char *text)
{
    put_line(out, at, from, text, strlen(text));
}

void ffcl_help_line(FILE *out, int from, const char *format, ...)
{
    char text[9000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ffcl_text_clean(text, 0);   /* names of files, devices, settings of a manifest are in it */
    put_line(out, 0, from, text, strlen(text));
}

void ffcl_help_text(FILE *out, const char *text)
{
    while (*text) {
        const size_t n = strcspn(text, "\n");
        put_line(out, 0, (int)strspn(text, " "), text, n);
        text += n + (text[n] == '\n');
    }
}

void ffcl_help_row(FILE *out, const ffcl_table *table, const char *const *cells)
{
    char text[2000];
    if (cells)
        ffcl_table_line(table, cells, text, sizeof text);
    else
        ffcl_table_head(table, text, sizeof text);
    ffcl_text_clean(text, 1);   /* a long name has a line to itself */
    fprintf(out, "%s\n", text);
}

void ffcl_help_wrap(FILE *out, int at, int from, const char *text)
{
    const int most = ffcl_help_columns(out, WIDTH), width = most < WIDTH ? most : WIDTH;
    if (from > width / 2)
        from = width / 4;
    if (at && at > from - 2) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", from - at, "");
    at = from;
    for (int begun = 0; *text;) {
        const int length = (int)strcspn(text, " ");
        if (begun && at + 1 + length > width) {
            at = from + length <= most || length > most ? from : most - length;
            fprintf(out, "\n%*s", at, "");
            begun = 0;
        }
        if (begun)
            fputc(' ', out);
        at += begun;
        begun = 1;
        for (int i = 0; i < length; i++)
            if (text[i] != '`')             /* of Markdown */
                at += fputc(text[i], out) != EOF;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}
