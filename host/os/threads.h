/* SPDX-License-Identifier: MIT
 * A limit on processes and threads (ulimit -u, a container's), looked at before it is met: drivers
 * end the process where a thread or a compiler cannot be started. */
#ifndef FFCL_OS_THREADS_H
#define FFCL_OS_THREADS_H

#include "error.h"

/* Ends the sentence on a thread that cannot be started. */
#define FFCL_THREADS_REMEDY \
    ": a limit on processes (ulimit -u, or a container's) may be too low: raise it"

/* Can the process have as many threads more as drivers, libraries and ffcl take?  Asks only where
 * the limit is low.  FFCL_ENOMEM. */
int ffcl_threads_check(ffcl_error *err);

#endif
