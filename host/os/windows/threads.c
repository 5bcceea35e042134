/* SPDX-License-Identifier: MIT */
#include "os/threads.h"

int ffcl_threads_check(ffcl_error *err)
{
    (void)err;
    return 0;
}
