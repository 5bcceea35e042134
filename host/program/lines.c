/* SPDX-License-Identifier: MIT */
#include "program/lines.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH = 79, NARROWEST = 24 };

/* Columns that can be written without a wrap by the terminal; INT_MAX where out is none. */
static int columns_of(FILE *out)
{
    struct winsize size = {0};
    if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) || !size.ws_col)
        return INT_MAX;
    return size.ws_col - 1 < NARROWEST ? NARROWEST : size.ws_col - 1;
}

void ffcl_help_line(FILE *out, int from, const char *format, ...)
{
    const int width = columns_of(out);
    char text[9000];
    const char *line = text;
    int at = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    while (*line) {
        int blanks = (int)strspn(line, " ");
        const int word = (int)strcspn(line + blanks, " ");
        if (at > from && at + blanks + word > width) {
            fprintf(out, "\n%*s", from, "");
            at = from;
            line += blanks;
            blanks = 0;
        }
        fwrite(line, 1, (size_t)(blanks + word), out);
        at += blanks + word;
        line += blanks + word;
    }
    fputc('\n', out);
}

void ffcl_help_wrap(FILE *out, int at, int from, const char *text)
{
    const int most = columns_of(out), width = most < WIDTH ? most : WIDTH;
    if (from > width / 2)
        from = width / 4;
    if (at && at > from - 2) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", from - at, "");
    at = from;
    while (*text) {
        const int length = (int)strcspn(text, " ");
        if (at > from && at + 1 + length > width) {
            fprintf(out, "\n%*s", from, "");
            at = from;
        }
        if (at > from)
            fputc(' ', out);
        at += at > from;
        for (int i = 0; i < length; i++)
            if (text[i] != '`')             /* of Markdown */
                at += fputc(text[i], out) != EOF;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}
