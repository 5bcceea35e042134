/* SPDX-License-Identifier: MIT
 * Of POSIX, what ffcl uses: ../libraries.c. */
#ifndef FFCL_OS_WINDOWS_DLFCN_H
#define FFCL_OS_WINDOWS_DLFCN_H

#define RTLD_NOW 2
#define RTLD_LOCAL 0
#define RTLD_NEXT ((void *)-1)          /* in the OpenCL loader, the one library behind ffcl */

typedef struct Dl_info {
    const char *dli_fname;
} Dl_info;

void *dlopen(const char *file, int flags);
void *dlsym(void *library, const char *name);
int dlclose(void *library);
char *dlerror(void);
int dladdr(const void *address, Dl_info *info);

#endif
