/* SPDX-License-Identifier: MIT
 * What a check found out about a device, kept beside the program binaries. */
#ifndef FFCL_BLAS_VERDICT_H
#define FFCL_BLAS_VERDICT_H

/* The verdict kept under key: 0 failed, 1 passed, -1 where there is none. */
int ffcl_verdict_recall(const char *key);
void ffcl_verdict_store(const char *key, int verdict);

#endif
