/* SPDX-License-Identifier: MIT
 * Ranks over MPI; the only file that includes mpi.h.
 *
 * Every exchange is begun by another rank: a call of fixed size, perhaps data after it, and an
 * answer of rank 0 where one is due.  Rank 0 answers between two looks at its own workers; nobody
 * waits inside MPI, whose waiting takes a whole processor. */
#include "run/ranks.h"

#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "build_info.h"
#include "ffcl.h"
#include "util.h"

enum { TAG_CALL = 1, TAG_DATA, TAG_ANSWER };
enum { TEXT_BYTES = 1024 };

typedef enum what { JOIN, TAKE, GIVE_BACK, FINISHED, BAD, DEVICE, MEMBER, LEAVE } what;

/* All ranks run the same build of the program, which joining compares, on machines of one kind, so
 * that structs travel as bytes.  What JOIN sends and gets has had the same size in all builds. */
typedef struct call {
    int32_t what, label, rc;
    uint32_t fingerprint;
    uint64_t index, n;              /* n: indices wanted, or bytes of data that follow */
    char stage[16];
} call;

typedef struct answer {
    uint64_t n;                     /* indices that follow */
    int32_t is_over, begin, wants_pixels, rc;
    uint64_t features;              /* numbers of an image that are wanted */
    char text[TEXT_BYTES];
} answer;

struct ffcl_ranks_client {
    pthread_mutex_t mutex;          /* one exchange at a time */
    atomic_int is_stopped;
    int wants_pixels;
    size_t image_bytes, features;
};

/* ---- joining ------------------------------------------------------------------------------ */

static int is_initialized(void)
{
    int flag = 0;
    MPI_Initialized(&flag);
    return flag;
}

int ffcl_ranks_open(size_t *rank, size_t *size, ffcl_error *err)
{
    static const char *const launchers[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};
    int launched = 0, got = 0;
    *rank = 0;
    *size = 1;
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
        launched |= getenv(launchers[i]) != NULL;
    if (!launched)
        return 0;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &got) != MPI_SUCCESS ||
        got < MPI_THREAD_SERIALIZED)
        return ffcl_fail(err, FFCL_EUSAGE, "this MPI cannot be used from more than one thread");
    ffcl_ranks_where(rank, size);
    return 0;
}

void ffcl_ranks_library(char *text, size_t size)
{
    char whole[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int n = 0;
    MPI_Get_library_version(whole, &n);     /* the one call that may come before MPI_Init */
    snprintf(text, size, "%.*s", (int)strcspn(whole, ",\n"), whole);
}

static void nap(void)
{
    const struct timespec moment = {0, 200000};
    nanosleep(&moment, NULL);
}

static void finish(MPI_Request *request)
{
    for (int done = 0; !done;) {
        MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (!done)
            nap();
    }
}

void ffcl_ranks_close(int code)
{
    MPI_Request request;
    if (!is_initialized())
        return;
    if (code > 0)
        MPI_Abort(MPI_COMM_WORLD, code);
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    finish(&request);
    MPI_Finalize();
}

void ffcl_ranks_where(size_t *rank, size_t *size)
{
    int r = 0, n = 1;
    if (is_initialized()) {
        MPI_Comm_rank(MPI_COMM_WORLD, &r);
        MPI_Comm_size(MPI_COMM_WORLD, &n);
    }
    *rank = (size_t)r;
    *size = (size_t)n;
}

void ffcl_ranks_where_here(size_t *rank, size_t *size)
{
    int r = 0, n = 1;
    if (is_initialized()) {
        MPI_Comm here;
        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here);
        MPI_Comm_rank(here, &r);
        MPI_Comm_size(here, &n);
        MPI_Comm_free(&here);
    }
    *rank = (size_t)r;
    *size = (size_t)n;
}

/* ---- messages ----------------------------------------------------------------------------- */

static void send_bytes(const void *bytes, size_t n, int to, int tag)
{
    MPI_Request request;
    MPI_Isend(bytes, (int)n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &request);
    finish(&request);
}

static void receive_bytes(void *bytes, size_t n, int from, int tag)
{
    MPI_Request request;
    MPI_Irecv(bytes, (int)n, MPI_BYTE, from, tag, MPI_COMM_WORLD, &request);
    finish(&request);
}

/* ---- rank 0 ------------------------------------------------------------------------------- */

static void answer_take(const ffcl_ranks_server *s, const call *c, int from)
{
    answer a = {0};
    size_t *list = calloc(c->n + 1, sizeof *list), total, done, taken;
    if (list)
        a.n = ffcl_indices_take(s->indices, (size_t)from + 1, list, c->n, 0);
    ffcl_indices_count(s->indices, &total, &done, &taken);
    a.is_over = !list || (a.n == 0 && (taken == 0 || ffcl_indices_is_stopped(s->indices)));
    send_bytes(&a, sizeof a, from, TAG_ANSWER);
    if (a.n)
        send_bytes(list, a.n * sizeof *list, from, TAG_ANSWER);
    free(list);
}

/* Of the program: another one's structs may be others, and its results. */
static uint64_t this_build(void)
{
    static const char text[] = FFCL_VERSION " " FFCL_BUILD_COMMIT;
    const uLong sizes[] = {sizeof(call), sizeof(answer), sizeof(ffcl_manifest_member),
                           sizeof(ffcl_manifest_device)};
    return crc32_z(crc32_z(0, (const Bytef *)text, sizeof text), (const Bytef *)sizes,
                   sizeof sizes);
}

static void answer_join(const ffcl_ranks_server *s, const call *c, int from)
{
    answer a = {.wants_pixels = s->wants_pixels, .features = s->features};
    size_t total, done;
    ffcl_indices_count(s->indices, &total, &done, NULL);
    a.begin = done < total && !ffcl_indices_is_stopped(s->indices);
    if (c->index != this_build()) {
        a.rc = FFCL_ECONFIG;
        snprintf(a.text, sizeof a.text, "its ffcl is not rank 0's, which is %s of commit %s: "
                 "install the same build on every host", FFCL_VERSION, FFCL_BUILD_COMMIT);
    } else if (c->fingerprint != s->fingerprint) {
        a.rc = FFCL_ECONFIG;
        snprintf(a.text, sizeof a.text, "its settings, weights or precision are not those of rank "
                 "0: every rank needs the same INI file and the same kind of device");
    }
    send_bytes(&a, sizeof a, from, TAG_ANSWER);
}

static int answer_member(const ffcl_ranks_server *s, int from)
{
    answer a = {0};
    ffcl_error err = {0};
    ffcl_manifest_member member;
    receive_bytes(&member, sizeof member, from, TAG_DATA);
    a.rc = s->member(s->user, &member, &err);
    snprintf(a.text, sizeof a.text, "%.1000s", err.text);
    send_bytes(&a, sizeof a, from, TAG_ANSWER);
    return 0;
}

static int take_finished(const ffcl_ranks_server *s, const call *c, int from, ffcl_error *err)
{
    const size_t floats = s->features * sizeof(float);
    uint8_t *rgb = c->n ? malloc(c->n) : NULL;
    float *features = floats ? malloc(floats) : NULL;
    int rc = 0;
    if ((c->n && !rgb) || (floats && !features))
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for an image of rank %d", from);
    if (rc == 0 && c->n)
        receive_bytes(rgb, c->n, from, TAG_DATA);
    if (rc == 0 && floats)
        receive_bytes(features, floats, from, TAG_DATA);
    if (rc == 0)
        rc = s->finished(s->user, c->index, rgb, features, err);
    free(rgb);
    free(features);
    return rc;
}

static int handle(const ffcl_ranks_server *s, const call *c, int from, ffcl_error *err)
{
    char text[TEXT_BYTES];
    ffcl_manifest_device device;
    switch ((what)c->what) {
    case JOIN:
        answer_join(s, c, from);
        return 0;
    case TAKE:
        answer_take(s, c, from);
        return 0;
    case GIVE_BACK:
        ffcl_indices_give_back(s->indices, c->index);
        return 0;
    case FINISHED:
        return take_finished(s, c, from, err);
    case BAD:
        return s->bad(s->user, c->index, c->label, c->stage, err);
    case MEMBER:
        return answer_member(s, from);
    case DEVICE:
        receive_bytes(&device, sizeof device, from, TAG_DATA);
        return s->device(s->user, &device, err);
    case LEAVE:
        receive_bytes(text, sizeof text, from, TAG_DATA);
        return s->left(s->user, (size_t)from, c->rc, text,
                       ffcl_indices_give_back_all(s->indices, (size_t)from + 1), err);
    }
    return 0;
}

int ffcl_ranks_serve(ffcl_ranks_server *server, size_t *active, ffcl_error *err)
{
    int flag = 1, size = 1, rc = 0;
    *active = 0;
    if (!is_initialized())
        return 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    while (!rc) {
        MPI_Status status;
        call c;
        MPI_Iprobe(MPI_ANY_SOURCE, TAG_CALL, MPI_COMM_WORLD, &flag, &status);
        if (!flag)
            break;
        receive_bytes(&c, sizeof c, status.MPI_SOURCE, TAG_CALL);
        rc = handle(server, &c, status.MPI_SOURCE, err);
        server->n_left += c.what == LEAVE;
    }
    *active = (size_t)size - 1 - server->n_left;
    return rc;
}

/* ---- other ranks -------------------------------------------------------------------------- */

int ffcl_ranks_join(ffcl_ranks_client **out, uint32_t fingerprint, size_t image_bytes,
                    int *begin, ffcl_error *err)
{
    const call c = {.what = JOIN, .fingerprint = fingerprint, .index = this_build()};
    answer a;
    *begin = 0;
    ffcl_ranks_client *client = *out = calloc(1, sizeof *client);
    if (!client)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for this rank");
    pthread_mutex_init(&client->mutex, NULL);
    client->image_bytes = image_bytes;
    send_bytes(&c, sizeof c, 0, TAG_CALL);
    receive_bytes(&a, sizeof a, 0, TAG_ANSWER);
    client->wants_pixels = a.wants_pixels;
    client->features = a.features;
    *begin = a.begin;
    return a.rc ? ffcl_fail(err, a.rc, "%s", a.text) : 0;
}

/* A call without an answer, and what follows it. */
static void send_call(ffcl_ranks_client *client, const call *c, const void *data, size_t n)
{
    pthread_mutex_lock(&client->mutex);
    send_bytes(c, sizeof *c, 0, TAG_CALL);
    if (n)
        send_bytes(data, n, 0, TAG_DATA);
    pthread_mutex_unlock(&client->mutex);
}

size_t ffcl_ranks_take(void *user, size_t *list, size_t n, int wait)
{
    ffcl_ranks_client *client = user;
    const call c = {.what = TAKE, .n = n};
    const struct timespec moment = {0, 20000000};
    answer a = {0};
    while (!atomic_load(&client->is_stopped)) {
        pthread_mutex_lock(&client->mutex);
        send_bytes(&c, sizeof c, 0, TAG_CALL);
        receive_bytes(&a, sizeof a, 0, TAG_ANSWER);
        if (a.n)
            receive_bytes(list, a.n * sizeof *list, 0, TAG_ANSWER);
        pthread_mutex_unlock(&client->mutex);
        if (a.n || a.is_over || !wait)
            break;
        nanosleep(&moment, NULL);       /* somebody may give something back */
    }
    return a.n;
}

void ffcl_ranks_give_back(void *user, size_t index)
{
    const call c = {.what = GIVE_BACK, .index = index};
    send_call(user, &c, NULL, 0);
}

void ffcl_ranks_finished(ffcl_ranks_client *client, size_t index, const uint8_t *rgb,
                         const float *features)
{
    const call c = {.what = FINISHED, .index = index,
                    .n = client->wants_pixels ? client->image_bytes : 0};
    pthread_mutex_lock(&client->mutex);
    send_bytes(&c, sizeof c, 0, TAG_CALL);
    if (c.n)
        send_bytes(rgb, c.n, 0, TAG_DATA);
    if (client->features)
        send_bytes(features, client->features * sizeof *features, 0, TAG_DATA);
    pthread_mutex_unlock(&client->mutex);
}

void ffcl_ranks_bad(ffcl_ranks_client *client, size_t index, int label, const char *stage)
{
    call c = {.what = BAD, .index = index, .label = label};
    snprintf(c.stage, sizeof c.stage, "%s", stage);
    send_call(client, &c, NULL, 0);
}

int ffcl_ranks_member(ffcl_ranks_client *client, const ffcl_manifest_member *member,
                      ffcl_error *err)
{
    const call c = {.what = MEMBER};
    answer a;
    pthread_mutex_lock(&client->mutex);
    send_bytes(&c, sizeof c, 0, TAG_CALL);
    send_bytes(member, sizeof *member, 0, TAG_DATA);
    receive_bytes(&a, sizeof a, 0, TAG_ANSWER);
    pthread_mutex_unlock(&client->mutex);
    return a.rc ? ffcl_fail(err, a.rc, "%s", a.text) : 0;
}

void ffcl_ranks_device(ffcl_ranks_client *client, const ffcl_manifest_device *device)
{
    const call c = {.what = DEVICE};
    send_call(client, &c, device, sizeof *device);
}

void ffcl_ranks_stop(ffcl_ranks_client *client)
{
    atomic_store(&client->is_stopped, 1);
}

void ffcl_ranks_leave(ffcl_ranks_client **client, int rc, const char *text)
{
    const call c = {.what = LEAVE, .rc = rc};
    char words[TEXT_BYTES];
    if (!*client)
        return;
    snprintf(words, sizeof words, "%s", text);
    send_call(*client, &c, words, sizeof words);
    pthread_mutex_destroy(&(*client)->mutex);
    free(*client);
    *client = NULL;
}
