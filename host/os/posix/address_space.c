/* SPDX-License-Identifier: MIT */
#include "os/address_space.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util.h"

size_t ffcl_address_space_of_libraries(void)
{
    /* PoCL's compiler; then a stack, an arena of malloc and a buffer of OpenBLAS a thread. */
    enum { BASE_MB = 1000, THREAD_MB = 128 };
    return ((size_t)BASE_MB + THREAD_MB * ffcl_cores()) << 20;
}

int ffcl_address_space_check(size_t bytes, const char *what, ffcl_error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return 0;
    void *trial = mmap(NULL, ffcl_max(bytes, 1), PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (trial != MAP_FAILED) {
        munmap(trial, ffcl_max(bytes, 1));
        return 0;
    }
    return ffcl_fail(err, FFCL_ENOMEM, "the address space of the process is limited to %llu MB "
                     "(ulimit -v), which leaves less than the %zu MB that %s may take: raise the "
                     "limit", (unsigned long long)limit.rlim_cur >> 20, bytes >> 20, what);
}

void ffcl_file_size_hint(char *text, size_t size)
{
    enum { NEEDED_MB = 64 };
    struct rlimit limit;
    *text = '\0';
    if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >> 20 >= NEEDED_MB)
        return;
    snprintf(text, size, "; files are limited to %llu KB (ulimit -f), and compilers write larger "
             "ones: raise the limit", (unsigned long long)limit.rlim_cur >> 10);
}
