/* SPDX-License-Identifier: MIT
 * The environment, the processor, the console. */
#include "os/paths.h"
#include "os/windows/include/sys/ioctl.h"
#include "os/windows/include/sys/times.h"
#include "os/windows/native.h"

/* What getenv gave, which must stay. */
typedef struct variable {
    struct variable *next;
    char *value;
    char name[];
} variable;

static struct {
    pthread_mutex_t mutex;
    variable *first;
} variables = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Windows' own names of the folders; those of POSIX come first where they are set. */
static const struct {
    const char *name, *windows;
} folders[] = {{"HOME", "USERPROFILE"}, {"XDG_CACHE_HOME", "LOCALAPPDATA"},
               {"XDG_CONFIG_HOME", "LOCALAPPDATA"}, {"FFCL_CACHE_DIR", NULL}};

static char *look_up(const char *name)
{
    wchar_t *wide = ffcl_wide(name);
    DWORD n = wide ? GetEnvironmentVariableW(wide, NULL, 0) : 0;
    wchar_t *value = n ? malloc(n * sizeof *value) : NULL;
    char *text = NULL;
    if (value) {
        value[0] = L'\0';
        GetEnvironmentVariableW(wide, value, n);
        text = ffcl_narrow(value);
    }
    free(wide);
    free(value);
    return text;
}

/* Kept for ever, once for each value that the variable has had. */
static char *keep(const char *name, char *value)
{
    pthread_mutex_lock(&variables.mutex);
    variable *v = variables.first;
    while (v && (strcmp(v->name, name) || strcmp(v->value, value)))
        v = v->next;
    if (v) {
        free(value);
    } else if ((v = malloc(sizeof *v + strlen(name) + 1)) != NULL) {
        strcpy(v->name, name);
        v->value = value;
        v->next = variables.first;
        variables.first = v;
    }
    pthread_mutex_unlock(&variables.mutex);
    return v ? v->value : NULL;
}

char *ffcl_windows_getenv(const char *name)
{
    char *value = look_up(name);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (strcmp(folders[i].name, name))
            continue;
        if (!value && folders[i].windows)
            value = look_up(folders[i].windows);
        if (value)
            ffcl_path_clean(value);
    }
    return value ? keep(name, value) : NULL;
}

int setenv(const char *name, const char *value, int overwrite)
{
    wchar_t *n = ffcl_wide(name), *v = ffcl_wide(value);
    int rc = -1;
    if (n && v)
        rc = (!overwrite && GetEnvironmentVariableW(n, NULL, 0)) || _wputenv_s(n, v) == 0 ? 0 : -1;
    free(n);
    free(v);
    return rc;
}

int unsetenv(const char *name)
{
    return setenv(name, "", 1);
}

long long sysconf(int name)
{
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    switch (name) {
    case _SC_NPROCESSORS_ONLN:
        return GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    case _SC_PHYS_PAGES:
        return GlobalMemoryStatusEx(&memory)
                   ? (long long)(memory.ullTotalPhys / info.dwPageSize) : -1;
    default:
        return info.dwPageSize;
    }
}

clock_t times(struct tms *t)
{
    enum { TICK = 100000 };     /* of 100 ns: a hundredth of a second */
    FILETIME begun, ended, kernel, user;
    *t = (struct tms){0};
    if (GetProcessTimes(GetCurrentProcess(), &begun, &ended, &kernel, &user)) {
        t->tms_utime = (clock_t)(((uint64_t)user.dwHighDateTime << 32 | user.dwLowDateTime) / TICK);
        t->tms_stime = (clock_t)(((uint64_t)kernel.dwHighDateTime << 32 | kernel.dwLowDateTime) /
                                 TICK);
    }
    return 0;
}

int ioctl(int fd, int request, struct winsize *size)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (request != TIOCGWINSZ || !GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(fd), &info))
        return -1;
    size->ws_col = (unsigned short)(info.srWindow.Right - info.srWindow.Left + 1);
    size->ws_row = (unsigned short)(info.srWindow.Bottom - info.srWindow.Top + 1);
    size->ws_xpixel = size->ws_ypixel = 0;
    return 0;
}

#undef pthread_cond_timedwait

/* `until` is on the clock that nobody sets, which winpthreads cannot wait by: it is put on the
 * other for each wait.  A wait that a clock set meanwhile ends too early is begun anew. */
int ffcl_windows_timedwait(pthread_cond_t *changed, pthread_mutex_t *mutex,
                           const struct timespec *until)
{
    enum { SECOND = 1000000000 };
    struct timespec now, wall;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left = (int64_t)(until->tv_sec - now.tv_sec) * SECOND + (until->tv_nsec - now.tv_nsec);
    if (left <= 0)
        return ETIMEDOUT;
    clock_gettime(CLOCK_REALTIME, &wall);
    left += wall.tv_nsec;
    wall.tv_sec += left / SECOND;
    wall.tv_nsec = (long)(left % SECOND);
    int rc = pthread_cond_timedwait(changed, mutex, &wall);
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int is_late = now.tv_sec > until->tv_sec ||
                        (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
    return rc == ETIMEDOUT && !is_late ? 0 : rc;
}
