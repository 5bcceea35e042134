/* SPDX-License-Identifier: MIT
 * Where a program begins: words in UTF-8, streams without carriage returns, a console that takes
 * both, and OpenCL's loader, whose absence is said and no message box. */
#include "os/paths.h"
#include "os/windows/native.h"

#include <delayimp.h>           /* needs Windows' own types */

#undef main

int _dowildcard = 0;            /* *.png stays *.png: a class pattern is no file */

static UINT code_page;

static void restore_console(void)
{
    SetConsoleOutputCP(code_page);
}

static void prepare_streams(void)
{
    static const DWORD names[] = {STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    DWORD mode;
    _fmode = O_BINARY;
    for (int fd = 0; fd < 3; fd++)
        _setmode(fd, O_BINARY);
    setvbuf(stderr, NULL, _IONBF, 0);
    code_page = GetConsoleOutputCP();
    if (code_page && SetConsoleOutputCP(CP_UTF8))
        atexit(restore_console);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        HANDLE h = GetStdHandle(names[i]);
        if (GetConsoleMode(h, &mode))
            SetConsoleMode(h, mode | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
    }
}

/* What a function of OpenCL answers where there is no loader: CL_PLATFORM_NOT_FOUND_KHR. */
static int no_platform(void)
{
    return -1001;
}

/* The loader comes with a driver.  It is looked for beside ffcl.exe and in Windows' folder. */
static FARPROC WINAPI find_loader(unsigned what, PDelayLoadInfo info)
{
    HMODULE library = NULL;
    FARPROC function = NULL;
    int (*own)(void) = no_platform;
    if (what == dliNotePreLoadLibrary) {
        library = LoadLibraryExA(info->szDll, NULL, LOAD_LIBRARY_SEARCH_APPLICATION_DIR |
                                 LOAD_LIBRARY_SEARCH_SYSTEM32);
        if (!library)
            library = GetModuleHandleW(NULL);
        memcpy(&function, &library, sizeof function);
    } else if (what == dliFailGetProc) {
        memcpy(&function, &own, sizeof function);
    }
    return function;
}

PfnDliHook __pfnDliNotifyHook2 = find_loader;
PfnDliHook __pfnDliFailureHook2 = find_loader;

int wmain(int argc, wchar_t **words)
{
    char **argv = calloc((size_t)argc + 1, sizeof *argv);
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    SetDllDirectoryW(L"");      /* nothing from the folder in which ffcl is started */
    prepare_streams();
    for (int i = 0; argv && i < argc; i++) {
        argv[i] = ffcl_narrow(words[i]);
        if (!argv[i])
            return 4;
        ffcl_path_clean(argv[i]);
    }
    return argv ? ffcl_main(argc, argv) : 4;
}
