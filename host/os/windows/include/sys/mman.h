/* SPDX-License-Identifier: MIT
 * Of POSIX, what ffcl uses: ../../memory.c. */
#ifndef FFCL_OS_WINDOWS_SYS_MMAN_H
#define FFCL_OS_WINDOWS_SYS_MMAN_H

#include <stddef.h>
#include <stdint.h>

#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_SHARED 1
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 4
#define MAP_FAILED ((void *)-1)
#define MADV_WILLNEED 1
#define MADV_HUGEPAGE 2

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, int64_t from);
int munmap(void *at, size_t bytes);
int madvise(void *at, size_t bytes, int advice);

#endif
