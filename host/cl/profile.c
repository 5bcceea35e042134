/* SPDX-License-Identifier: MIT */
#include "cl/profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/profile_lane.h"
#include "cl/variant.h"
#include "util.h"

int ffcl_profile_open(ffcl_profile **out, ffcl_profile_mode mode, ffcl_error *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the profile");
    (*out)->mode = mode;
    (*out)->started = ffcl_clock();
    pthread_mutex_init(&(*out)->mutex, NULL);
    return 0;
}

static void close_lane(ffcl_profile_lane *lane)
{
    for (size_t i = 0; i < lane->n_labels; i++)
        free(lane->labels[i].text);
    free(lane->labels);
    free(lane->entries);
    free(lane);
}

void ffcl_profile_close(ffcl_profile **profile)
{
    ffcl_profile *p = *profile;
    if (!p)
        return;
    while (p->lanes) {
        ffcl_profile_lane *next = p->lanes->next;
        close_lane(p->lanes);
        p->lanes = next;
    }
    pthread_mutex_destroy(&p->mutex);
    free(p);
    *profile = NULL;
}

/* The device's clock has an origin of its own, which the time of a command queued now gives.  The
 * command is a write, as every driver has times of those. */
static int set_clock(ffcl_profile_lane *lane)
{
    static const cl_int nothing = 0;
    cl_event event = NULL;
    cl_ulong queued = 0;
    cl_int code;
    cl_mem mem = clCreateBuffer(lane->ctx->context, CL_MEM_READ_WRITE, sizeof nothing, NULL, &code);
    lane->host_at = ffcl_clock();
    if (code == CL_SUCCESS)
        code = clEnqueueWriteBuffer(lane->ctx->queue, mem, CL_TRUE, 0, sizeof nothing, &nothing, 0,
                                    NULL, &event);
    if (code == CL_SUCCESS)
        code = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_QUEUED, sizeof queued, &queued,
                                       NULL);
    if (event)
        clReleaseEvent(event);
    if (mem)
        clReleaseMemObject(mem);
    lane->device_at = queued;
    return ffcl_cl_check(lane->ctx->err, code, "clGetEventProfilingInfo", __FILE__, __LINE__);
}

int ffcl_profile_attach(ffcl_profile *profile, ffcl_ctx *ctx)
{
    ffcl_profile_lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the profile");
    lane->of = profile;
    lane->ctx = ctx;
    lane->stage = "";
    snprintf(lane->name, sizeof lane->name, "%s", ctx->device.caps.name);
    lane->index = ctx->device.index;
    int rc = set_clock(lane);
    if (rc) {
        close_lane(lane);
        return rc;
    }
    pthread_mutex_lock(&profile->mutex);
    ffcl_profile_lane **last = &profile->lanes;
    while (*last)
        last = &(*last)->next;
    *last = lane;
    pthread_mutex_unlock(&profile->mutex);
    ctx->profile = lane;
    return 0;
}

/* The label's place in the lane's table, or -1 when memory is short; the command is not timed
 * then. */
static long find_label(ffcl_profile_lane *lane, const char *stage, const char *name,
                       const char *shape)
{
    char text[160];
    const ffcl_ctx *ctx = lane->ctx;
    uint32_t hash = 2166136261u;
    int n = snprintf(text, sizeof text, "%s%s%s", name, *shape ? " " : "", shape);
    if (ctx->running && n < (int)sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, " [%s/%s]", ctx->running->name,
                 ctx->variant->name);
    for (const char *c = text; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (size_t i = 0; i < lane->n_labels; i++) {
        const profile_label *l = &lane->labels[i];
        if (l->hash == hash && strcmp(l->text, text) == 0 && strcmp(l->stage, stage) == 0)
            return (long)i;
    }
    profile_label *grown = realloc(lane->labels, (lane->n_labels + 1) * sizeof *grown);
    if (!grown)
        return -1;
    lane->labels = grown;
    profile_label *l = &grown[lane->n_labels];
    *l = (profile_label){.stage = stage, .text = ffcl_format("%s", text), .hash = hash};
    return l->text ? (long)lane->n_labels++ : -1;
}

static void keep(ffcl_profile_lane *lane, const profile_entry *entry)
{
    if (lane->n_entries == PROFILE_ENTRIES_MOST) {
        lane->dropped++;
        return;
    }
    if (lane->n_entries == lane->room) {
        size_t room = lane->room ? 2 * lane->room : 1024;
        profile_entry *grown = realloc(lane->entries, room * sizeof *grown);
        if (!grown) {
            lane->dropped++;
            return;
        }
        lane->entries = grown;
        lane->room = room;
    }
    lane->entries[lane->n_entries++] = *entry;
}

/* The device's time of an event, in seconds of ffcl_clock; negative where it has none. */
static double event_time(const ffcl_profile_lane *lane, cl_event event, cl_profiling_info what)
{
    cl_ulong ns = 0;
    if (clGetEventProfilingInfo(event, what, sizeof ns, &ns, NULL) != CL_SUCCESS || ns == 0)
        return -1.0;
    return lane->host_at + 1e-9 * ((double)ns - (double)lane->device_at);
}

static void account(ffcl_profile_lane *lane, profile_pending *p)
{
    double begin = p->first ? event_time(lane, p->first, CL_PROFILING_COMMAND_END)
                            : event_time(lane, p->last, CL_PROFILING_COMMAND_START);
    double end = event_time(lane, p->last, CL_PROFILING_COMMAND_END);
    if (p->first && begin < 0.0)        /* markers without times: the queue is in order */
        begin = lane->last_end;
    if (begin >= 0.0 && end >= begin) {
        profile_label *l = &lane->labels[p->label];
        l->calls++;
        l->seconds += end - begin;
        l->cost.flops += p->cost.flops;
        l->cost.bytes += p->cost.bytes;
        keep(lane, &(profile_entry){begin, end, p->cost, p->label});
        lane->last_end = end;
    }
}

/* Reads the oldest events: of commands that have ended, and of all before the last `leave`. */
static void drain(ffcl_profile_lane *lane, size_t leave)
{
    while (lane->n_pending) {
        profile_pending *p = &lane->pending[lane->oldest];
        cl_int status = CL_COMPLETE;
        int has_ended = !p->last;       /* nothing was enqueued */
        if (!has_ended)
            has_ended = clGetEventInfo(p->last, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status,
                                       &status, NULL) == CL_SUCCESS && status <= CL_COMPLETE;
        if (!has_ended && lane->n_pending <= leave)
            return;
        if (p->last && (has_ended || clWaitForEvents(1, &p->last) == CL_SUCCESS))
            account(lane, p);
        if (p->first)
            clReleaseEvent(p->first);
        if (p->last)
            clReleaseEvent(p->last);
        lane->oldest = (lane->oldest + 1) % PROFILE_PENDING;
        lane->n_pending--;
    }
}

void ffcl_profile_detach(ffcl_ctx *ctx)
{
    ffcl_profile_lane *lane = ctx->profile;
    if (!lane)
        return;
    ffcl_profile_stage(ctx, "");
    drain(lane, 0);
    lane->ctx = NULL;
    ctx->profile = NULL;
}

void ffcl_profile_plan(ffcl_ctx *ctx, ffcl_cost cost, const char *shape, ...)
{
    (void)shape;
    if (cost.flops > ctx->most_flops)
        ctx->most_flops = cost.flops;
    ctx->plan_flops += cost.flops;
}

/* Before a command of this cost: waits for those before it once they are worth a moment, and begins
 * none after the end. */
static void keep_pace(ffcl_ctx *ctx, ffcl_cost cost)
{
    static const double moment = 0.05;
    const double rate = ctx->pace.done / (ctx->pace.waited - ctx->pace.begin + 1e-9);
    if (ctx->status)
        return;
    if (ctx->pace.begun >= moment * rate) {
        ffcl_ctx_keep(ctx, FFCL_CL(ctx->err, clFinish(ctx->queue)));
        ctx->pace.waited = ffcl_clock();
        ctx->pace.done += ctx->pace.begun;
        ctx->pace.begun = 0;
    }
    ctx->pace.begun += cost.flops;
    if (ctx->pace.waited >= ctx->pace.end)
        ffcl_ctx_fail(ctx, FFCL_ESTOPPED, "the time for a calibration is over");
}

void ffcl_profile_work(ffcl_ctx *ctx, ffcl_cost cost, const char *shape, ...)
{
    ffcl_profile_lane *lane = ctx->profile;
    va_list args;
    if (ctx->pace.end > 0)
        keep_pace(ctx, cost);
    if (!lane)
        return;
    lane->cost = cost;
    va_start(args, shape);
    vsnprintf(lane->shape, sizeof lane->shape, shape, args);
    va_end(args);
}

/* A place for a command's event, NULL where it cannot be timed. */
static profile_pending *push(ffcl_profile_lane *lane, long label, ffcl_cost cost, cl_event first)
{
    if (label < 0)
        return NULL;
    if (lane->n_pending == PROFILE_PENDING)
        drain(lane, PROFILE_PENDING / 2);
    size_t at = (lane->oldest + lane->n_pending++) % PROFILE_PENDING;
    lane->pending[at] = (profile_pending){.first = first, .label = (uint32_t)label, .cost = cost};
    return &lane->pending[at];
}

/* The label and the declared cost of the next command. */
static long take_work(ffcl_profile_lane *lane, const char *name, ffcl_cost *cost)
{
    long label = find_label(lane, lane->stage, name, lane->shape);
    *cost = lane->cost;
    lane->cost = (ffcl_cost){0, 0};
    lane->shape[0] = '\0';
    return label;
}

static int times_commands(const ffcl_ctx *ctx)
{
    return ctx->profile && ctx->profile->of->mode == FFCL_PROFILE_COMMANDS;
}

cl_event *ffcl_profile_slot(ffcl_ctx *ctx, const char *label)
{
    ffcl_cost cost;
    if (!times_commands(ctx))
        return NULL;
    long i = take_work(ctx->profile, label, &cost);
    profile_pending *p = push(ctx->profile, i, cost, NULL);
    return p ? &p->last : NULL;
}

cl_event *ffcl_profile_copy(ffcl_ctx *ctx, const char *label, size_t bytes)
{
    if (!times_commands(ctx))
        return NULL;
    ctx->profile->cost = (ffcl_cost){0.0, (double)bytes};
    ctx->profile->shape[0] = '\0';
    return ffcl_profile_slot(ctx, label);
}

void ffcl_profile_note(ffcl_ctx *ctx, const char *label, size_t bytes, cl_event event)
{
    cl_event *slot = event ? ffcl_profile_copy(ctx, label, bytes) : NULL;
    if (slot && clRetainEvent(event) == CL_SUCCESS)
        *slot = event;
}

/* A marker's event, NULL where the driver gives none. */
static cl_event mark(ffcl_ctx *ctx)
{
    cl_event event = NULL;
    if (clEnqueueMarkerWithWaitList(ctx->queue, 0, NULL, &event) != CL_SUCCESS)
        return NULL;
    return event;
}

/* Opens the bracket that the next marker closes. */
static void open_bracket(ffcl_ctx *ctx, profile_pending *bracket, long label, ffcl_cost cost)
{
    *bracket = (profile_pending){0};
    if (label >= 0)
        *bracket = (profile_pending){mark(ctx), NULL, (uint32_t)label, cost};
}

static void close_bracket(ffcl_ctx *ctx, profile_pending *bracket)
{
    if (!bracket->first)
        return;
    profile_pending *p = push(ctx->profile, (long)bracket->label, bracket->cost, bracket->first);
    p->last = mark(ctx);
    bracket->first = NULL;
}

void ffcl_profile_begin(ffcl_ctx *ctx, const char *label)
{
    ffcl_cost cost;
    if (!times_commands(ctx))
        return;
    long i = take_work(ctx->profile, label, &cost);
    open_bracket(ctx, &ctx->profile->bracket, i, cost);
}

void ffcl_profile_end(ffcl_ctx *ctx)
{
    if (times_commands(ctx))
        close_bracket(ctx, &ctx->profile->bracket);
}

void ffcl_profile_stage(ffcl_ctx *ctx, const char *stage)
{
    ffcl_profile_lane *lane = ctx->profile;
    if (!lane || ctx->planning)
        return;
    lane->stage = stage;
    if (lane->of->mode != FFCL_PROFILE_STAGES)
        return;
    close_bracket(ctx, &lane->staged);
    if (*stage)
        open_bracket(ctx, &lane->staged, find_label(lane, stage, stage, ""), (ffcl_cost){0, 0});
}

void ffcl_profile_host(ffcl_ctx *ctx, const char *label, double begin, double end)
{
    if (!times_commands(ctx))
        return;
    long i = find_label(ctx->profile, FFCL_PROFILE_HOST, label, "");
    if (i >= 0)
        keep(ctx->profile, &(profile_entry){begin, end, {0, 0}, (uint32_t)i});
}

void ffcl_profile_collect(ffcl_ctx *ctx)
{
    if (ctx->profile)
        drain(ctx->profile, PROFILE_PENDING);
}

void ffcl_profile_finish(ffcl_ctx *ctx)
{
    if (ctx->profile)
        drain(ctx->profile, 0);
}

size_t ffcl_profile_entries(ffcl_ctx *ctx, ffcl_profile_entry *out, size_t most)
{
    ffcl_profile_lane *lane = ctx->profile;
    ffcl_profile_finish(ctx);
    size_t n = ffcl_min(lane->n_entries, most);
    for (size_t i = 0; i < n; i++) {
        const profile_entry *e = &lane->entries[i];
        const profile_label *l = &lane->labels[e->label];
        out[i] = (ffcl_profile_entry){e->begin, e->end, e->cost, l->stage, l->text};
    }
    return n;
}

void ffcl_profile_clear(ffcl_ctx *ctx)
{
    ffcl_profile_lane *lane = ctx->profile;
    ffcl_profile_finish(ctx);
    lane->n_entries = lane->dropped = 0;
    for (size_t i = 0; i < lane->n_labels; i++) {
        lane->labels[i].calls = 0;
        lane->labels[i].seconds = 0.0;
        lane->labels[i].cost = (ffcl_cost){0, 0};
    }
}
