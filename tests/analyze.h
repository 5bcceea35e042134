/* SPDX-License-Identifier: MIT
 * For gcc's analyzer (tests/analyze.sh), which sees one file at a time: ffcl_fail and what words
 * outputs' errors return a code that is not 0. */
#ifndef FFCL_TESTS_ANALYZE_H
#define FFCL_TESTS_ANALYZE_H

#include "error.h"
#include "files/atomic.h"

#define ffcl_fail(err, code, ...) (ffcl_fail(err, code, __VA_ARGS__) ? (code) : (code))
#define ffcl_write_error(path, number, err) \
    (ffcl_write_error(path, number, err) ? FFCL_EOUTPUT : FFCL_EOUTPUT)

#endif
