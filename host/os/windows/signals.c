/* SPDX-License-Identifier: MIT
 * Signals by POSIX's names: Ctrl-C and the window's end come by the console control handler, a
 * crash as an exception. */
#include "os/windows/native.h"

#undef signal
#undef raise

enum { NO_END = 0, WAITING_MOST = 16 };

static struct {
    struct sigaction action[FFCL_SIGNALS];
    ffcl_sigset blocked;
    HANDLE came;                        /* a semaphore */
    volatile LONG pending[FFCL_SIGNALS];
} signals;

/* The exit codes by which Windows' shells know such an end. */
static DWORD end_code(int number)
{
    switch (number) {
    case SIGSEGV: return (DWORD)STATUS_ACCESS_VIOLATION;
    case SIGILL: return (DWORD)STATUS_ILLEGAL_INSTRUCTION;
    case SIGFPE: return (DWORD)STATUS_INTEGER_DIVIDE_BY_ZERO;
    case SIGBUS: return (DWORD)STATUS_IN_PAGE_ERROR;
    case SIGABRT: return 0xC0000409;    /* as abort of newer C libraries */
    default: return (DWORD)STATUS_CONTROL_C_EXIT;
    }
}

static void handle(int number)
{
    siginfo_t info = {.si_code = -1};
    const struct sigaction *a = &signals.action[number];
    if ((a->sa_flags & SA_SIGINFO) && a->sa_sigaction)
        a->sa_sigaction(number, &info, NULL);
    else if (a->sa_handler && a->sa_handler != SIG_IGN)
        a->sa_handler(number);
}

static int number_of(DWORD exception)
{
    switch (exception) {
    case EXCEPTION_ACCESS_VIOLATION:
    case EXCEPTION_STACK_OVERFLOW: return SIGSEGV;
    case EXCEPTION_ILLEGAL_INSTRUCTION:
    case EXCEPTION_PRIV_INSTRUCTION: return SIGILL;
    case EXCEPTION_INT_DIVIDE_BY_ZERO:
    case EXCEPTION_FLT_DIVIDE_BY_ZERO: return SIGFPE;
    default: return NO_END;
    }
}

/* Nobody has handled the exception: the process ends. */
static LONG WINAPI on_crash(EXCEPTION_POINTERS *e)
{
    const int number = number_of(e->ExceptionRecord->ExceptionCode);
    if (number)
        handle(number);
    return EXCEPTION_CONTINUE_SEARCH;
}

/* What is mapped cannot be read: the disk or the share of the file has failed. */
static LONG CALLBACK on_lost_page(EXCEPTION_POINTERS *e)
{
    if (e->ExceptionRecord->ExceptionCode == (DWORD)EXCEPTION_IN_PAGE_ERROR)
        handle(SIGBUS);
    return EXCEPTION_CONTINUE_SEARCH;
}

static void on_abort(int number)
{
    handle(number);
    TerminateProcess(GetCurrentProcess(), end_code(number));
}

int ffcl_windows_sigaction(int number, const struct sigaction *now, struct sigaction *before)
{
    if (number < 0 || number >= FFCL_SIGNALS) {
        errno = EINVAL;
        return -1;
    }
    if (before)
        *before = signals.action[number];
    if (!now)
        return 0;
    signals.action[number] = *now;
    if (number == SIGABRT)
        signal(SIGABRT, on_abort);
    else if (number == SIGBUS)
        AddVectoredExceptionHandler(1, on_lost_page);
    else if (number == SIGSEGV || number == SIGILL || number == SIGFPE)
        SetUnhandledExceptionFilter(on_crash);
    return 0;
}

void (*ffcl_windows_signal(int number, void (*handler)(int)))(int)
{
    struct sigaction now = {.sa_handler = handler}, before = {0};
    return ffcl_windows_sigaction(number, &now, &before) ? SIG_ERR : before.sa_handler;
}

int ffcl_windows_raise(int number)
{
    fflush(NULL);
    TerminateProcess(GetCurrentProcess(), end_code(number));
    return 0;
}

int sigemptyset(ffcl_sigset *set)
{
    *set = 0;
    return 0;
}

int sigaddset(ffcl_sigset *set, int number)
{
    *set |= 1u << number;
    return 0;
}

/* In a thread of its own.  Where the window is closed or the user logs off, Windows ends the
 * process when this returns, or after some seconds. */
static BOOL WINAPI on_control(DWORD kind)
{
    const int number = kind == CTRL_C_EVENT || kind == CTRL_BREAK_EVENT ? SIGINT
                       : kind == CTRL_CLOSE_EVENT ? SIGHUP : SIGTERM;
    if (!(signals.blocked & 1u << number))
        return FALSE;
    InterlockedIncrement(&signals.pending[number]);
    ReleaseSemaphore(signals.came, 1, NULL);
    if (number != SIGINT)
        Sleep(INFINITE);
    return TRUE;
}

/* Blocked signals wait for sigwait; to unblock one is for raise, which ends the process anyway. */
int ffcl_windows_sigmask(int how, const ffcl_sigset *set, ffcl_sigset *before)
{
    if (before)
        *before = signals.blocked;
    if (how != SIG_BLOCK)
        return 0;
    signals.blocked |= *set;
    if (!signals.came)
        signals.came = CreateSemaphoreW(NULL, 0, WAITING_MOST, NULL);
    return signals.came && SetConsoleCtrlHandler(on_control, TRUE) ? 0 : EAGAIN;
}

int sigwait(const ffcl_sigset *set, int *number)
{
    for (;;) {
        WaitForSingleObject(signals.came, INFINITE);
        for (int i = 0; i < FFCL_SIGNALS; i++)
            if ((*set & 1u << i) && signals.pending[i] > 0) {
                InterlockedDecrement(&signals.pending[i]);
                *number = i;
                return 0;
            }
    }
}

int pause(void)
{
    Sleep(INFINITE);
    return -1;
}
