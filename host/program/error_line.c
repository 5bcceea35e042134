/* SPDX-License-Identifier: MIT */
#include "program/error_line.h"

#include "text.h"

void ffcl_error_print(ffcl_session *s)
{
    if (!s->err.text[0])
        return;
    ffcl_progress_end(&s->progress);
    ffcl_text_clean(s->err.text, s->err.code == FFCL_EBUILD);
    fprintf(s->progress.out ? s->progress.out : stderr, "ffcl: %s\n", s->err.text);
    s->err.text[0] = '\0';
}
