/* SPDX-License-Identifier: MIT
 * A build without MPI: one process, which has all indices. */
#include "run/ranks.h"

#include <stdio.h>
#include <stdlib.h>

int ffcl_ranks_open(size_t *rank, size_t *size, ffcl_error *err)
{
    const char *launched = getenv("OMPI_COMM_WORLD_SIZE");
    *rank = 0;
    *size = 1;
    if (launched && atoi(launched) > 1)
        return ffcl_fail(err, FFCL_EUSAGE, "this ffcl was built without MPI, and %s processes of "
                         "it were started together: build it with make MPI=1", launched);
    return 0;
}

void ffcl_ranks_close(int code)
{
    (void)code;
}

void ffcl_ranks_where(size_t *rank, size_t *size)
{
    *rank = 0;
    *size = 1;
}

void ffcl_ranks_library(char *text, size_t size)
{
    snprintf(text, size, "%s", "");
}

void ffcl_ranks_where_here(size_t *rank, size_t *size)
{
    ffcl_ranks_where(rank, size);
}

int ffcl_ranks_serve(ffcl_ranks_server *server, size_t *active, ffcl_error *err)
{
    (void)server, (void)err;
    *active = 0;
    return 0;
}

/* There is no rank but 0, which is no client. */
int ffcl_ranks_join(ffcl_ranks_client **out, uint32_t fingerprint, size_t image_bytes,
                    int *begin, ffcl_error *err)
{
    (void)fingerprint, (void)image_bytes;
    *out = NULL;
    *begin = 0;
    return ffcl_fail(err, FFCL_EUSAGE, "this ffcl was built without MPI");
}

size_t ffcl_ranks_take(void *client, size_t *list, size_t n, int wait)
{
    (void)client, (void)list, (void)n, (void)wait;
    return 0;
}

void ffcl_ranks_give_back(void *client, size_t index)
{
    (void)client, (void)index;
}

void ffcl_ranks_finished(ffcl_ranks_client *client, size_t index, const uint8_t *rgb,
                         const float *features)
{
    (void)client, (void)index, (void)rgb, (void)features;
}

void ffcl_ranks_bad(ffcl_ranks_client *client, size_t index, int label, const char *stage)
{
    (void)client, (void)index, (void)label, (void)stage;
}

int ffcl_ranks_member(ffcl_ranks_client *client, const ffcl_manifest_member *member,
                      ffcl_error *err)
{
    (void)client, (void)member, (void)err;
    return 0;
}

void ffcl_ranks_device(ffcl_ranks_client *client, const ffcl_manifest_device *device)
{
    (void)client, (void)device;
}

void ffcl_ranks_stop(ffcl_ranks_client *client)
{
    (void)client;
}

void ffcl_ranks_leave(ffcl_ranks_client **client, int rc, const char *text)
{
    (void)rc, (void)text;
    *client = NULL;
}
