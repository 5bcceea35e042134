/* SPDX-License-Identifier: MIT
 * Paths that begin with ~, where no shell has replaced it: in INI files, behind = and in quotes. */
#ifndef FFCL_FILES_TILDE_H
#define FFCL_FILES_TILDE_H

#include "../error.h"

/* "~", "~/x" and "~user/x" with the home of the user, other texts as they are; *out is the caller's
 * to free.  "~x" alone is a file where no user is called so.  FFCL_EUSAGE: there is no such user;
 * FFCL_ENOMEM. */
int ffcl_tilde(char **out, const char *text, ffcl_error *err);

#endif
