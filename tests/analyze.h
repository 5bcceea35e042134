/* SPDX-License-Identifier: MIT
 * For gcc's and clang's analyzers (make analyze, tidy), which see one file at a time: ffcl_fail and
 * what words outputs' errors return a code that is not 0. */
#ifndef FFCL_TESTS_ANALYZE_H
#define FFCL_TESTS_ANALYZE_H

#include "error.h"
#include "files/atomic.h"

#define ffcl_fail(err, code, ...) ((void)ffcl_fail(err, code, __VA_ARGS__), (code))
#define ffcl_write_error(path, number, err) \
    ((void)ffcl_write_error(path, number, err), FFCL_EOUTPUT)

#endif
