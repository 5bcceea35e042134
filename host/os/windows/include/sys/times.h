/* SPDX-License-Identifier: MIT
 * Of POSIX, what ffcl uses: ../../system.c. */
#ifndef FFCL_OS_WINDOWS_SYS_TIMES_H
#define FFCL_OS_WINDOWS_SYS_TIMES_H

#include <time.h>

struct tms {
    clock_t tms_utime, tms_stime, tms_cutime, tms_cstime;
};

clock_t times(struct tms *t);

#endif
