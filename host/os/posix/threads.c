/* SPDX-License-Identifier: MIT */
#include "os/threads.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "util.h"

enum { LOW = 1024 };            /* limits above are not looked at */

/* The lower of the user's limit and the container's. */
static unsigned long long limit_of_threads(void)
{
    struct rlimit limit;
    unsigned long long most = LOW + 1, of_container = most;
    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur < most)
        most = limit.rlim_cur;
    FILE *f = fopen("/sys/fs/cgroup/pids.max", "r");
    if (f && fscanf(f, "%llu", &of_container) != 1)
        of_container = most;
    if (f)
        fclose(f);
    return ffcl_min(most, of_container);
}

static void *wait_for_end(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

int ffcl_threads_check(ffcl_error *err)
{
    /* The driver, the CBLAS library's team and ffcl have one a processor; then compilers. */
    enum { OTHERS = 8 };
    const unsigned long long limit = limit_of_threads();
    const size_t wanted = 3 * ffcl_cores() + OTHERS;
    size_t n = 0;
    if (limit > LOW)
        return 0;
    pthread_t *ids = calloc(wanted, sizeof *ids);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    while (ids && n < wanted && pthread_create(&ids[n], NULL, wait_for_end, &mutex) == 0)
        n++;
    pthread_mutex_unlock(&mutex);
    for (size_t i = 0; i < n; i++)
        pthread_join(ids[i], NULL);
    free(ids);
    if (n == wanted)
        return 0;
    return ffcl_fail(err, FFCL_ENOMEM, "processes and threads are limited to %llu (ulimit -u, or a "
                     "container's limit), which leaves %zu of the %zu that drivers, compilers and "
                     "ffcl may take: raise the limit", limit, n, wanted);
}
