/* SPDX-License-Identifier: MIT */
#include "program/error_line.h"

#include <string.h>

#include "text.h"

void ffcl_error_print(ffcl_session *s)
{
    if (!s->err.text[0])
        return;
    ffcl_progress_end(&s->progress);
    ffcl_text_clean(s->err.text, s->err.code == FFCL_EBUILD);
    if (!s->progress.out)       /* of a process that could not begin */
        s->progress.out = stderr;
    const int at = ffcl_progress_head(&s->progress, 0);
    char *rest = strchr(s->err.text, '\n');     /* a compiler's log */
    if (rest)
        *rest++ = '\0';
    ffcl_help_line_at(s->progress.out, at, 4, s->err.text);
    if (rest)
        fprintf(s->progress.out, "%s\n", rest);
    s->err.text[0] = '\0';
}
