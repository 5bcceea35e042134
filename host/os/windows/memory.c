/* SPDX-License-Identifier: MIT */
#include "os/windows/include/sys/mman.h"

#include "os/windows/native.h"

static void *map_file(size_t bytes, int fd, int64_t from)
{
    HANDLE mapping = CreateFileMappingW((HANDLE)_get_osfhandle(fd), NULL, PAGE_READONLY, 0, 0,
                                        NULL);
    void *at = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, (DWORD)((uint64_t)from >> 32),
                                       (DWORD)from, bytes) : NULL;
    if (mapping)
        CloseHandle(mapping);       /* the view keeps it */
    return at;
}

/* What ffcl maps: a file to read, or new memory. */
void *mmap(void *at, size_t bytes, int protection, int flags, int fd, int64_t from)
{
    (void)at, (void)protection;
    void *map = flags & MAP_ANONYMOUS
                    ? VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE)
                    : map_file(bytes, fd, from);
    if (!map)
        ffcl_windows_failed();
    return map ? map : MAP_FAILED;
}

int munmap(void *at, size_t bytes)
{
    (void)bytes;
    return UnmapViewOfFile(at) || VirtualFree(at, 0, MEM_RELEASE) ? 0 : ffcl_windows_failed();
}

/* Advice: Windows reads ahead by itself, and gives large pages to administrators alone. */
int madvise(void *at, size_t bytes, int advice)
{
    (void)at, (void)bytes, (void)advice;
    return 0;
}
