/* SPDX-License-Identifier: MIT
 * Activation memory, planned by liveness.
 *
 * A planning pass over a model takes and gives back tensors as the real pass will.  The arena
 * assigns each to a slot (best fit; a free slot grows where none is large enough) and records the
 * order.  commit allocates one device buffer for each slot; the real pass repeats the assignment,
 * so nothing is allocated while sampling. */
#ifndef FFCL_CL_ARENA_H
#define FFCL_CL_ARENA_H

#include "cl/context.h"

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

/* Before each real pass: the next take is the plan's first. */
void ffcl_arena_rewind(ffcl_arena *arena);

/* Dense scratch memory of that shape (ffcl_tensor_of, ffcl_image_of). */
ffcl_tensor ffcl_take(ffcl_ctx *ctx, ffcl_tensor shape);
/* Gives it back; ignores a tensor that does not come from the arena. */
void ffcl_give(ffcl_ctx *ctx, ffcl_tensor *t);

#endif
