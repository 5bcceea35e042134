/* SPDX-License-Identifier: MIT
 * The result of a self-check, kept beside the program binaries. */
#ifndef FFCL_SELFCHECK_RESULT_H
#define FFCL_SELFCHECK_RESULT_H

/* The self-check result kept under key: 0 failed, 1 passed, -1 where there is none. */
int ffcl_selfcheck_recall(const char *key);
void ffcl_selfcheck_keep(const char *key, int passed);

/* A number from -1 to 1, the next of the sequence whose state is *state. */
float ffcl_selfcheck_noise(unsigned *state);

#endif
