/* SPDX-License-Identifier: MIT
 * Names of files that are written end in what they are. */
#ifndef FFCL_FILES_ENDING_H
#define FFCL_FILES_ENDING_H

#include "ffcl.h"

/* Fails with the code where the name of a file (NULL: none) ends in the letters of another format:
 * "OPTION x.jpg: what is written is a PNG, so name it x.png".  A name without an ending, and one
 * whose ending begins with no letter (a date), promise nothing; an ending of NULL allows all.  "-",
 * stdout to other programs, is refused, too. */
int ffcl_check_ending(const char *option, const char *path, const char *ending, const char *format,
                      int code, ffcl_error *err);

#endif
