/* SPDX-License-Identifier: MIT
 * The error slot: a message is written once, where the failure is seen, and passed up as it is. */
#ifndef FFCL_ERROR_H
#define FFCL_ERROR_H

#include "ffcl.h"

/* Writes code and the formatted sentence into *err (NULL: dropped) and returns code. */
int ffcl_fail(ffcl_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
