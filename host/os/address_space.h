/* SPDX-License-Identifier: MIT
 * A limit on the process's address space (ulimit -v, a batch system's h_vmem), looked at before it
 * is met: OpenBLAS waits for ever for memory that it does not get, and drivers crash.  And one on
 * the size of files, by which compilers fail without saying why. */
#ifndef FFCL_OS_ADDRESS_SPACE_H
#define FFCL_OS_ADDRESS_SPACE_H

#include "error.h"

/* What drivers, compilers and libraries take of their own, on a computer of these processors. */
size_t ffcl_address_space_of_libraries(void);

/* Can the process have so many bytes more for what?  Asks only where there is a limit.
 * FFCL_ENOMEM. */
int ffcl_address_space_check(size_t bytes, const char *what, ffcl_error *err);

/* What ends a sentence on a compiler that fails: "; files are limited to 100 KB (ulimit -f) ...",
 * or "" where they are not, or to more than it needs. */
void ffcl_file_size_hint(char *text, size_t size);

#endif
