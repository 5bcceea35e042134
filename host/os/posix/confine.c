/* SPDX-License-Identifier: MIT */
#include "os/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>

/* As in linux/landlock.h, of which older systems have none, or one that lacks the half. */
enum { CREATE = 444, ADD = 445, RESTRICT = 446, VERSION = 1, PATH_BENEATH = 1 };
enum { EXECUTE = 1, WRITE = 2, READ = 4, READ_FOLDER = 8, REMOVE_FOLDER = 16, REMOVE = 32,
       MAKE_FOLDER = 128, MAKE = 256, MAKE_SOCKET = 512, ALL_OF_1 = (1 << 13) - 1, REFER = 1 << 13,
       TRUNCATE = 1 << 14, IOCTL = 1 << 15 };
enum { TCP = 3 };

struct ruleset {
    uint64_t files, net;
};

struct beneath {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

/* The rights to files that this version of Landlock knows. */
static uint64_t known(long version)
{
    return ALL_OF_1 | (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0) |
           (version >= 5 ? IOCTL : 0);
}

static uint64_t rights(const ffcl_confine_rule *rule, int is_folder)
{
    const uint64_t reads = READ | (is_folder ? READ_FOLDER : 0);
    if (rule->allows == FFCL_CONFINE_RUNS)
        return reads | EXECUTE;
    return reads | WRITE | TRUNCATE | IOCTL |
           (is_folder ? REMOVE_FOLDER | REMOVE | MAKE_FOLDER | MAKE | MAKE_SOCKET | REFER : 0);
}

static int add(int set, const ffcl_confine_rule *rule, uint64_t held, ffcl_error *err)
{
    struct stat st;
    struct beneath b = {.fd = open(rule->path, O_PATH | O_CLOEXEC)};
    int rc = 0;
    if (b.fd < 0)
        return 0;
    b.allowed = fstat(b.fd, &st) == 0 ? rights(rule, S_ISDIR(st.st_mode)) & held : 0;
    if (b.allowed && syscall(ADD, set, PATH_BENEATH, &b, 0))
        rc = ffcl_fail(err, FFCL_EUSAGE, "the sandbox cannot be given %s: %s", rule->path,
                       strerror(errno));
    close(b.fd);
    return rc;
}

/* Landlock holds the thread that asks for it, and those that it starts later. */
static int is_alone(void)
{
    char line[128];
    int threads = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "Threads: %d", &threads);
    if (f)
        fclose(f);
    return threads <= 1;
}

int ffcl_confine_enter(const ffcl_confine_rules *rules, ffcl_error *err)
{
    const long version = syscall(CREATE, NULL, 0, VERSION);
    if (rules->is_short)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the sandbox");
    if (version < 1)
        return ffcl_fail(err, FFCL_EUSAGE, "there is no sandbox: this kernel has no Landlock "
                         "(Linux 5.13 and later, where it is switched on): %s", strerror(errno));
    if (!is_alone())
        return ffcl_fail(err, FFCL_EUSAGE, "there is no sandbox: a library has started a thread, "
                         "which would not be in it");
    const struct ruleset held = {known(version), version >= 4 ? TCP : 0};
    /* Before version 4 the structure ends behind files. */
    const int set = (int)syscall(CREATE, &held, version >= 4 ? sizeof held : sizeof held.files, 0);
    int rc = set >= 0 ? 0 : ffcl_fail(err, FFCL_EUSAGE, "the sandbox cannot be made: %s",
                                      strerror(errno));
    for (size_t i = 0; rc == 0 && i < rules->n; i++)
        rc = add(set, &rules->rule[i], held.files, err);
    if (rc == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(RESTRICT, set, 0)))
        rc = ffcl_fail(err, FFCL_EUSAGE, "the sandbox cannot be entered: %s", strerror(errno));
    if (set >= 0)
        close(set);
    return rc;
}

#else

int ffcl_confine_enter(const ffcl_confine_rules *rules, ffcl_error *err)
{
    (void)rules;
    return ffcl_fail(err, FFCL_EUSAGE, "there is no sandbox: it needs Linux's Landlock");
}

#endif
