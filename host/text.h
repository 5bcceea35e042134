/* SPDX-License-Identifier: MIT
 * Text that came from outside (files, drivers, the command line), made fit for a terminal. */
#ifndef FFCL_TEXT_H
#define FFCL_TEXT_H

#include <stddef.h>

/* Replaces, in place, everything that a terminal would obey and not show by '?': control
 * characters (U+0000 to U+001F, U+007F to U+009F), line and paragraph separators, marks that turn
 * the direction of writing, and bytes that are no UTF-8.  lines: newlines and tabs stay, for a
 * compiler's log; else each becomes a blank. */
void ffcl_text_clean(char *text, int lines);

/* Is there anything in the length bytes that ffcl_text_clean would replace? */
int ffcl_text_is_clean(const char *text, size_t length);

#endif
