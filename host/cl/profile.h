/* SPDX-License-Identifier: MIT
 * What a device spends its time on.
 *
 * With a profile every command gets an event.  Events are read in batches into a table by stage
 * and label and into a list for a trace, so that memory stays bounded.  Without one nothing is
 * created and the queue has no profiling flag.
 *
 * A profile has a lane a context; a lane is used by the thread that uses its context. */
#ifndef FFCL_CL_PROFILE_H
#define FFCL_CL_PROFILE_H

#include "cl/context.h"

typedef struct ffcl_profile ffcl_profile;
typedef struct ffcl_profile_lane ffcl_profile_lane;

/* What a command has to do: arithmetic, and the least bytes to and from memory. */
typedef struct ffcl_cost {
    double flops, bytes;
} ffcl_cost;

/* One command, one bracket or one phase of the host, in seconds of ffcl_clock. */
typedef struct ffcl_profile_entry {
    double begin, end;
    ffcl_cost cost;
    const char *stage, *label;      /* the profile's; stage "host": of the host */
} ffcl_profile_entry;

/* *out is the caller's to close, after the contexts that use it.  FFCL_ENOMEM. */
int ffcl_profile_open(ffcl_profile **out, ffcl_profile_mode mode, ffcl_error *err);
void ffcl_profile_close(ffcl_profile **profile);

/* Gives ctx, whose queue has the profiling flag, a lane, and takes it away again before the queue
 * is released; what it has gathered stays with the profile. */
int ffcl_profile_attach(ffcl_profile *profile, ffcl_ctx *ctx);
void ffcl_profile_detach(ffcl_ctx *ctx);

/* ---- around commands; all of it nothing where ctx has no profile --------------------------- */

/* Declares what the next command does: ffcl_work(ctx, cost), or with a shape that is added to its
 * label, ffcl_work_shape(ctx, cost, format, ...).  Without a profile, but for planning passes and
 * calibrations, the arguments are not even evaluated. */
#define ffcl_work(ctx, cost) ffcl_work_shape((ctx), (cost), "%s", "")
#define ffcl_work_shape(ctx, ...)                                                        \
    ((ctx)->planning  ? ffcl_profile_plan((ctx), __VA_ARGS__)                            \
     : (ctx)->profile || (ctx)->pace.end > 0 ? ffcl_profile_work((ctx), __VA_ARGS__) : (void)0)
/* In a planning pass: ctx->most_flops is the most of a launch, ctx->plan_flops the sum. */
void ffcl_profile_plan(ffcl_ctx *ctx, ffcl_cost cost, const char *shape, ...)
    __attribute__((format(printf, 3, 4)));
void ffcl_profile_work(ffcl_ctx *ctx, ffcl_cost cost, const char *shape, ...)
    __attribute__((format(printf, 3, 4)));

/* Where the next command puts its event: the last argument of any clEnqueue*.  NULL without a
 * profile.  Valid until the next call of any of these functions. */
cl_event *ffcl_profile_slot(ffcl_ctx *ctx, const char *label);

/* The same for a command that moves bytes. */
cl_event *ffcl_profile_copy(ffcl_ctx *ctx, const char *label, size_t bytes);

/* For a command whose event the caller keeps. */
void ffcl_profile_note(ffcl_ctx *ctx, const char *label, size_t bytes, cl_event event);

/* Around commands that a library enqueues: timed from the end of what came before to their own. */
void ffcl_profile_begin(ffcl_ctx *ctx, const char *label);
void ffcl_profile_end(ffcl_ctx *ctx);

/* What the commands that follow belong to; "" for none. */
void ffcl_profile_stage(ffcl_ctx *ctx, const char *stage);

/* A phase of the host that began and ended then. */
void ffcl_profile_host(ffcl_ctx *ctx, const char *label, double begin, double end);

/* Reads the events of what has ended. */
void ffcl_profile_collect(ffcl_ctx *ctx);

/* ---- results ------------------------------------------------------------------------------ */

/* Waits for what ctx has in flight and reads its events. */
void ffcl_profile_finish(ffcl_ctx *ctx);

/* The first `most` entries since the last clear, into out; returns how many.  Waits. */
size_t ffcl_profile_entries(ffcl_ctx *ctx, ffcl_profile_entry *out, size_t most);
void ffcl_profile_clear(ffcl_ctx *ctx);

/* The rows of all lanes, merged, the longest first; *rows is the caller's to free.  No thread may
 * be using a lane.  FFCL_ENOMEM. */
int ffcl_profile_table(ffcl_profile *profile, ffcl_profile_line **rows, size_t *n,
                       ffcl_error *err);

/* Writes a trace that chrome://tracing and Perfetto open: a process a device, with its commands,
 * its stages and the host's phases.  FFCL_EOUTPUT. */
int ffcl_profile_trace(ffcl_profile *profile, const char *path, ffcl_error *err);

#endif
