/* SPDX-License-Identifier: MIT */
#include "os/child.h"

#include "os/windows/native.h"
#include "util.h"

/* What the parent and the child use of two pipes. */
typedef struct pipes {
    HANDLE job_from, job_to, answer_from, answer_to, nothing;
} pipes;

static void close_all(HANDLE *handles, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (handles[i] && handles[i] != INVALID_HANDLE_VALUE) {
            CloseHandle(handles[i]);
            handles[i] = NULL;
        }
}

static int open_pipes(pipes *p, const char *job)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    const DWORD n = (DWORD)strlen(job);
    DWORD done = 0;
    p->nothing = CreateFileW(L"NUL", GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited,
                             OPEN_EXISTING, 0, NULL);
    /* The job fits the pipe's buffer, so that writing it waits for nobody. */
    return CreatePipe(&p->job_from, &p->job_to, &inherited, n + 1) &&
           CreatePipe(&p->answer_from, &p->answer_to, &inherited, 1 << 16) &&
           SetHandleInformation(p->job_to, HANDLE_FLAG_INHERIT, 0) &&
           SetHandleInformation(p->answer_from, HANDLE_FLAG_INHERIT, 0) &&
           (n == 0 || WriteFile(p->job_to, job, n, &done, NULL)) && done == n;
}

/* Is the pair's name set to something by a line of the environment? */
static int names(const wchar_t *line, const wchar_t *name)
{
    const size_t n = wcslen(name);
    return _wcsnicmp(line, name, n) == 0 && line[n] == L'=';
}

/* Adds "NAME=value" to a block of `used` characters, without its second zero. */
static wchar_t *add_line(wchar_t *block, size_t *used, const wchar_t *name, const wchar_t *value)
{
    const size_t more = wcslen(name) + 1 + wcslen(value) + 1;
    wchar_t *longer = realloc(block, (*used + more + 1) * sizeof *longer);
    if (!longer) {
        free(block);
        return NULL;
    }
    wcscpy(longer + *used, name);
    wcscat(longer + *used, L"=");
    wcscat(longer + *used, value);
    *used += more;
    longer[*used] = L'\0';
    return longer;
}

/* The block without the line of that name; 1 where there was one. */
static int drop(wchar_t *block, size_t *used, const wchar_t *name)
{
    for (wchar_t *line = block; *line; line += wcslen(line) + 1) {
        const size_t n = wcslen(line) + 1, behind = *used + 1 - (size_t)(line + n - block);
        if (!names(line, name))
            continue;
        memmove(line, line + n, behind * sizeof *line);
        *used -= n;
        return 1;
    }
    return 0;
}

static int is_there(const wchar_t *block, const wchar_t *name)
{
    for (; *block; block += wcslen(block) + 1)
        if (names(block, name))
            return 1;
    return 0;
}

static wchar_t *put(wchar_t *block, size_t *used, const char *const *pairs, int overwrite)
{
    for (; block && pairs && *pairs; pairs += 2) {
        wchar_t *name = ffcl_wide(pairs[0]), *value = ffcl_wide(pairs[1]);
        if (!name || !value) {
            free(block);
            block = NULL;
        } else if (overwrite || !is_there(block, name)) {
            drop(block, used, name);
            block = add_line(block, used, name, value);
        }
        free(name);
        free(value);
    }
    return block;
}

/* The child's environment; NULL: out of memory. */
static wchar_t *environment(const ffcl_child *c)
{
    wchar_t *own = GetEnvironmentStringsW(), *end = own, *block = NULL;
    if (!own)
        return NULL;
    while (*end)
        end += wcslen(end) + 1;
    size_t used = (size_t)(end - own);
    block = malloc((used + 1) * sizeof *block);
    if (block)
        memcpy(block, own, (used + 1) * sizeof *block);
    FreeEnvironmentStringsW(own);
    block = put(block, &used, c->usual, 0);
    return put(block, &used, c->set, 1);
}

/* The program as a path: POSIX's name of a process's own program is that here, too. */
static wchar_t *program_path(const ffcl_child *c)
{
    enum { MOST = 32768 };
    if (strcmp(c->program, "/proc/self/exe"))
        return ffcl_wide_path(c->program);
    wchar_t *path = malloc(MOST * sizeof *path);
    if (path && !GetModuleFileNameW(NULL, path, MOST)) {
        free(path);
        path = NULL;
    }
    return path;
}

/* Starts it with these handles and no others, in a group of its own: a Ctrl-C is for the parent,
 * who would take its end for a crash.  `job` ends it with its parent, and not before. */
static int start(const ffcl_child *c, pipes *p, HANDLE job, PROCESS_INFORMATION *process)
{
    HANDLE inherited[] = {p->job_from, p->answer_to, p->nothing};
    STARTUPINFOEXW info = {.StartupInfo = {
        .cb = sizeof info, .dwFlags = STARTF_USESTDHANDLES, .hStdInput = p->job_from,
        .hStdOutput = p->answer_to, .hStdError = p->nothing}};
    SIZE_T bytes = 0;
    wchar_t *program = program_path(c), *block = environment(c), *word = ffcl_wide(c->command);
    wchar_t *line = word ? malloc((wcslen(word) + 8) * sizeof *line) : NULL;
    InitializeProcThreadAttributeList(NULL, 1, 0, &bytes);
    info.lpAttributeList = malloc(bytes);
    BOOL ok = program && block && line && info.lpAttributeList &&
              InitializeProcThreadAttributeList(info.lpAttributeList, 1, 0, &bytes);
    if (ok) {
        wcscpy(line, L"ffcl ");
        wcscat(line, word);
        ok = UpdateProcThreadAttribute(info.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                       inherited, sizeof inherited, NULL, NULL) &&
             CreateProcessW(program, line, NULL, NULL, TRUE, CREATE_NEW_PROCESS_GROUP |
                            CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT |
                            EXTENDED_STARTUPINFO_PRESENT, block, NULL, &info.StartupInfo, process);
        DeleteProcThreadAttributeList(info.lpAttributeList);
    }
    if (ok) {
        if (job)
            AssignProcessToJobObject(job, process->hProcess);
        ResumeThread(process->hThread);
    }
    free(info.lpAttributeList);
    free(program);
    free(block);
    free(word);
    free(line);
    return ok ? 0 : -1;
}

/* Reads until the end, the deadline or a full text; 1 where the end came. */
static int listen_to(HANDLE from, char *text, size_t size, double deadline)
{
    size_t used = 0;
    text[0] = '\0';
    while (used + 1 < size && ffcl_clock() < deadline) {
        DWORD ready = 0, n = 0;
        if (!PeekNamedPipe(from, NULL, 0, NULL, &ready, NULL))
            return 1;
        if (!ready) {
            Sleep(2);
            continue;
        }
        if (!ReadFile(from, text + used, (DWORD)ffcl_min(ready, size - 1 - used), &n, NULL))
            return 1;
        used += n;
        text[used] = '\0';
    }
    return 0;
}

static ffcl_child_end end_of(HANDLE process, int ended)
{
    DWORD code = 1;
    if (!ended)
        TerminateProcess(process, 1);
    WaitForSingleObject(process, INFINITE);
    GetExitCodeProcess(process, &code);
    return !ended              ? FFCL_CHILD_HUNG
           : code >= 0xC0000000 ? FFCL_CHILD_CRASHED
           : code              ? FFCL_CHILD_FAILED
                               : FFCL_CHILD_DONE;
}

int ffcl_child_run(ffcl_child *c, ffcl_error *err)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
        .BasicLimitInformation = {.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE}};
    PROCESS_INFORMATION process = {0};
    pipes p = {0};
    int rc = 0;
    const double began = ffcl_clock();
    HANDLE job = CreateJobObjectW(NULL, NULL);
    if (job)
        SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    if (!open_pipes(&p, c->job))
        rc = ffcl_fail(err, FFCL_ENOMEM, "a process for %s cannot be started: Windows' error %lu",
                       c->command, GetLastError());
    else if (start(c, &p, job, &process))
        rc = ffcl_fail(err, FFCL_EUSAGE, "%s cannot be started for %s: Windows' error %lu",
                       c->program, c->command, GetLastError());
    if (rc == 0) {
        close_all((HANDLE[]){p.job_from, p.job_to, p.answer_to}, 3);
        p.job_from = p.job_to = p.answer_to = NULL;
        c->end = end_of(process.hProcess, listen_to(p.answer_from, c->answer, c->size,
                                                    began + c->seconds));
    }
    c->took = ffcl_clock() - began;
    close_all((HANDLE[]){p.job_from, p.job_to, p.answer_from, p.answer_to, p.nothing,
                         process.hThread, process.hProcess, job}, 8);
    return rc;
}
