/* SPDX-License-Identifier: MIT */
#include "program/error_line.h"

#include "text.h"

void ffcl_error_print(ffcl_session *s)
{
    if (!s->err.text[0])
        return;
    ffcl_progress_end(&s->progress);
    ffcl_text_clean(s->err.text, s->err.code == FFCL_EBUILD);
    if (!s->progress.out)       /* of a process that could not begin */
        s->progress.out = stderr;
    ffcl_progress_head(&s->progress, 0);
    fprintf(s->progress.out, "%s\n", s->err.text);
    s->err.text[0] = '\0';
}
