/* SPDX-License-Identifier: MIT
 * Activation memory, planned by liveness.
 *
 * A planning pass over the op list takes and gives back buffers as the real pass will; the arena
 * assigns each to a slot (best fit; a free slot grows where none is large enough) and remembers
 * the order.  commit allocates one device buffer a slot; the real pass replays the assignment, so
 * nothing is allocated while sampling. */
#ifndef FFCL_CL_ARENA_H
#define FFCL_CL_ARENA_H

#include "cl/context.h"

typedef struct ffcl_buf {
    cl_mem mem;             /* NULL while planning */
    size_t slot;            /* 1 + index of the slot; 0: nothing taken, so {0} may be given back */
} ffcl_buf;

typedef struct ffcl_arena ffcl_arena;

int ffcl_arena_open(ffcl_arena **out, ffcl_ctx *ctx);
void ffcl_arena_close(ffcl_arena **arena);

/* Starts a new plan; slots already allocated are used again and may only grow. */
void ffcl_arena_plan(ffcl_arena *arena);

/* Bytes of all slots, and of the largest, after a planning pass. */
void ffcl_arena_size(const ffcl_arena *arena, size_t *total, size_t *largest);

/* Allocates what the plan needs.  FFCL_EDEVMEM. */
int ffcl_arena_commit(ffcl_arena *arena);

/* Forgets sizes and releases all buffers, for a plan with another batch. */
void ffcl_arena_reset(ffcl_arena *arena);

/* Before each real pass: the replay starts over. */
void ffcl_arena_rewind(ffcl_arena *arena);

/* A buffer of n floats.  Outside planning, the assignment of the plan is replayed. */
int ffcl_take(ffcl_ctx *ctx, ffcl_buf *out, size_t n);
/* A buffer of n elements stored so. */
int ffcl_take_stored(ffcl_ctx *ctx, ffcl_buf *out, size_t n, ffcl_store store);
void ffcl_give(ffcl_ctx *ctx, ffcl_buf *buf);

#endif
