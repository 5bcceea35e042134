/* SPDX-License-Identifier: MIT
 * Libraries are code that runs: they are looked for beside ffcl.exe and in Windows' own folder,
 * never in the folder from which ffcl is started, and not along PATH. */
#include "os/windows/include/dlfcn.h"

#include "os/paths.h"
#include "os/windows/native.h"

static _Thread_local char failure[300];

void *dlopen(const char *file, int flags)
{
    (void)flags;
    wchar_t *wide = ffcl_path_is_absolute(file) ? ffcl_wide_path(file) : ffcl_wide(file);
    HMODULE library = NULL;
    if (wide)
        library = LoadLibraryExW(wide, NULL, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS |
                                 (ffcl_path_is_absolute(file) ? LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR
                                                              : 0));
    free(wide);
    if (!library)
        snprintf(failure, sizeof failure, "Windows' error %lu; it is looked for beside ffcl.exe "
                 "and in Windows' folder", GetLastError());
    return library;
}

void *dlsym(void *library, const char *name)
{
    HMODULE from = library == RTLD_NEXT ? GetModuleHandleW(L"OpenCL.dll") : library;
    FARPROC function = from ? GetProcAddress(from, name) : NULL;
    void *address = NULL;
    memcpy(&address, &function, sizeof address);
    return address;
}

int dlclose(void *library)
{
    return FreeLibrary(library) ? 0 : -1;
}

char *dlerror(void)
{
    return failure;
}

/* All that ffcl asks of is linked into it. */
int dladdr(const void *address, Dl_info *info)
{
    (void)address, (void)info;
    return 0;
}
