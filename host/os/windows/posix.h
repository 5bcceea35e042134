/* SPDX-License-Identifier: MIT
 * ffcl is written to POSIX.  For Windows this folder has what of POSIX ffcl calls and mingw-w64's
 * C library lacks, or does in another way: paths in UTF-8 and of any length, files that may be
 * renamed and removed while they are open, locks of ranges, signals.  The build for Windows has
 * the compiler include this file before any other (-include), and looks for headers that
 * mingw-w64 does not have in include/ beside it.  Behaviour is POSIX's, as far as ffcl needs it.
 *
 * Everything is called by the name that POSIX has for it. */
#ifndef FFCL_OS_WINDOWS_POSIX_H
#define FFCL_OS_WINDOWS_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifndef EDQUOT
#define EDQUOT 10069
#endif
#ifndef ESTALE
#define ESTALE 10070
#endif

/* ---- files: files.c, paths.c --------------------------------------------------------------- */

/* Above the C library's own flags. */
#define O_CLOEXEC 0x1000000
#define O_NOFOLLOW 0x2000000
#define O_NONBLOCK 0x4000000
#define O_NOCTTY 0
#define O_DIRECTORY 0x8000000

struct ffcl_stat {
    uint64_t st_dev, st_ino;
    unsigned st_mode, st_nlink, st_uid, st_gid;
    int64_t st_size;
    struct timespec st_mtim, st_ctim;
};

#ifndef S_IFLNK
#define S_IFLNK 0xA000
#endif
#undef S_ISLNK
#define S_ISLNK(mode) (((mode) & S_IFMT) == S_IFLNK)

int ffcl_windows_open(const char *path, int flags, ...);
int ffcl_windows_stat(const char *path, struct ffcl_stat *st);
int ffcl_windows_lstat(const char *path, struct ffcl_stat *st);
int ffcl_windows_fstat(int fd, struct ffcl_stat *st);
int ffcl_windows_access(const char *path, int mode);
int faccessat(int folder, const char *name, int mode, int flags);
int ffcl_windows_mkdir(const char *path, unsigned mode);
int ffcl_windows_rmdir(const char *path);
int ffcl_windows_rename(const char *from, const char *to);
int ffcl_windows_unlink(const char *path);
int ffcl_windows_ftruncate(int fd, int64_t bytes);
FILE *ffcl_windows_fopen(const char *path, const char *mode);
ssize_t ffcl_windows_read(int fd, void *to, size_t n);
ssize_t ffcl_windows_write(int fd, const void *from, size_t n);
ssize_t pread(int fd, void *to, size_t n, int64_t at);
ssize_t pwrite(int fd, const void *from, size_t n, int64_t at);
int fsync(int fd);
void sync(void);
char *realpath(const char *path, char *to);
char *mkdtemp(char *pattern);
int memfd_create(const char *name, unsigned flags);
unsigned geteuid(void);

#undef stat
#undef fstat
#undef lstat
#undef open
#undef ftruncate
#undef mkdir
#define stat ffcl_stat                          /* the structure; the function is below */
#define ffcl_stat(path, st) ffcl_windows_stat(path, st)
#define lstat ffcl_windows_lstat
#define fstat ffcl_windows_fstat
#define open ffcl_windows_open
#define access ffcl_windows_access
#define mkdir ffcl_windows_mkdir
#define rmdir ffcl_windows_rmdir
#define rename ffcl_windows_rename
#define unlink ffcl_windows_unlink
#define ftruncate ffcl_windows_ftruncate
#define fopen ffcl_windows_fopen
#define read ffcl_windows_read
#define write ffcl_windows_write

/* ---- locks of an open file: locks.c -------------------------------------------------------- */

#define F_DUPFD_CLOEXEC 1
#define F_GETFD 2
#define F_SETFL 3
#define F_OFD_SETLK 4
#define F_OFD_SETLKW 5
#define F_SETLK 6
#define F_SETLKW 7
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define MFD_CLOEXEC 0

struct flock {
    short l_type, l_whence;
    int64_t l_start, l_len;
};

int fcntl(int fd, int command, ...);
int ffcl_windows_close(int fd);
#define close ffcl_windows_close

/* ---- the environment and the processor: system.c ------------------------------------------- */

#define _SC_NPROCESSORS_ONLN 1
#define _SC_PHYS_PAGES 2
#define _SC_PAGESIZE 3

char *ffcl_windows_getenv(const char *name);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
long long sysconf(int name);
#define getenv ffcl_windows_getenv

/* ---- signals: signals.c -------------------------------------------------------------------- */

#define SIGHUP 1
#define SIGBUS 7
#define SIGPIPE 13
#define SIGXCPU 24
#define SIGXFSZ 25
#define SI_USER 0
#define SI_QUEUE 1
#define SA_SIGINFO 4
#define FFCL_SIGNALS 26
#ifndef SIG_BLOCK
#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#endif

typedef unsigned ffcl_sigset;
#define sigset_t ffcl_sigset

typedef struct siginfo_t {
    int si_code, si_pid;
} siginfo_t;

struct sigaction {
    void (*sa_handler)(int number);
    void (*sa_sigaction)(int number, siginfo_t *info, void *context);
    int sa_flags;
};

int ffcl_windows_sigaction(int number, const struct sigaction *now, struct sigaction *before);
#define sigaction(number, now, before) ffcl_windows_sigaction(number, now, before)
void (*ffcl_windows_signal(int number, void (*handler)(int)))(int);
int ffcl_windows_raise(int number);
int sigemptyset(ffcl_sigset *set);
int sigaddset(ffcl_sigset *set, int number);
int ffcl_windows_sigmask(int how, const ffcl_sigset *set, ffcl_sigset *before);
int sigwait(const ffcl_sigset *set, int *number);
int pause(void);
#undef pthread_sigmask
#define pthread_sigmask ffcl_windows_sigmask
#define signal ffcl_windows_signal
#define raise ffcl_windows_raise

/* ---- text: text.c --------------------------------------------------------------------------- */

typedef int ffcl_locale;
#define locale_t ffcl_locale
#define LC_NUMERIC_MASK 1

ssize_t getline(char **line, size_t *capacity, FILE *from);
char *strsep(char **rest, const char *separators);
char *strcasestr(const char *text, const char *part);
void *memmem(const void *text, size_t n, const void *part, size_t n_part);
FILE *open_memstream(char **text, size_t *size);
int ffcl_windows_fflush(FILE *f);
int ffcl_windows_fclose(FILE *f);
ffcl_locale newlocale(int mask, const char *name, ffcl_locale base);
void freelocale(ffcl_locale locale);
double strtod_l(const char *text, char **end, ffcl_locale locale);
#define fflush ffcl_windows_fflush
#define fclose ffcl_windows_fclose

struct tm *ffcl_windows_gmtime(const time_t *when, struct tm *parts);
struct tm *ffcl_windows_localtime(const time_t *when, struct tm *parts);
#define gmtime_r ffcl_windows_gmtime
#define localtime_r ffcl_windows_localtime

/* ---- threads -------------------------------------------------------------------------------- */

int ffcl_windows_timedwait(pthread_cond_t *changed, pthread_mutex_t *mutex,
                           const struct timespec *until);
#define pthread_cond_timedwait ffcl_windows_timedwait

/* The program's own, which start.c calls with words in UTF-8. */
#define main ffcl_main
int ffcl_main(int argc, char **argv);

#endif
