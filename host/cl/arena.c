/* SPDX-License-Identifier: MIT */
#include "cl/arena.h"

#include <assert.h>
#include <stdlib.h>

#include "util.h"

typedef struct slot {
    size_t bytes;           /* what the plan needs */
    size_t allocated;       /* what mem has */
    cl_mem mem;
    int used;
} slot;

struct ffcl_arena {
    ffcl_ctx *ctx;
    slot *slots;
    size_t n_slots;
    size_t *order;          /* slot of the k-th take of the plan */
    size_t n_order, room, next;
};

static const size_t no_slot = (size_t)-1;

int ffcl_arena_open(ffcl_arena **out, ffcl_ctx *ctx)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the activation plan");
    (*out)->ctx = ctx;
    return 0;
}

/* Batches in flight may use the buffer: kernels in the queue retain theirs, host functions do not.
 * The error of a failed command is returned by the call that comes next. */
static void release(ffcl_arena *arena, slot *s)
{
    if (!s->mem)
        return;
    clFinish(arena->ctx->queue);
    clReleaseMemObject(s->mem);
    s->mem = NULL;
    s->allocated = 0;
}

void ffcl_arena_reset(ffcl_arena *arena)
{
    for (size_t i = 0; i < arena->n_slots; i++)
        release(arena, &arena->slots[i]);
    free(arena->slots);
    arena->slots = NULL;
    arena->n_slots = arena->n_order = arena->next = 0;
}

void ffcl_arena_close(ffcl_arena **arena)
{
    if (!*arena)
        return;
    ffcl_arena_reset(*arena);
    free((*arena)->order);
    free(*arena);
    *arena = NULL;
}

void ffcl_arena_plan(ffcl_arena *arena)
{
    arena->n_order = arena->next = 0;
    for (size_t i = 0; i < arena->n_slots; i++)
        arena->slots[i].used = 0;
}

void ffcl_arena_size(const ffcl_arena *arena, size_t *total, size_t *largest)
{
    *total = *largest = 0;
    for (size_t i = 0; i < arena->n_slots; i++) {
        *total += arena->slots[i].bytes;
        *largest = ffcl_max(*largest, arena->slots[i].bytes);
    }
}

int ffcl_arena_commit(ffcl_arena *arena)
{
    for (size_t i = 0; i < arena->n_slots; i++) {
        slot *s = &arena->slots[i];
        if (s->allocated >= s->bytes)
            continue;
        release(arena, s);
        int rc = ffcl_buffer_create(arena->ctx, &s->mem, s->bytes, "activations");
        if (rc)
            return rc;
        s->allocated = s->bytes;
    }
    return 0;
}

void ffcl_arena_rewind(ffcl_arena *arena)
{
    arena->next = 0;
}

/* The smallest free slot that fits; else the largest free one, grown; else a new one. */
static size_t plan_slot(ffcl_arena *arena, size_t bytes)
{
    size_t fit = no_slot, largest = no_slot;
    for (size_t i = 0; i < arena->n_slots; i++) {
        const slot *s = &arena->slots[i];
        if (s->used)
            continue;
        if (s->bytes >= bytes && (fit == no_slot || s->bytes < arena->slots[fit].bytes))
            fit = i;
        if (largest == no_slot || s->bytes > arena->slots[largest].bytes)
            largest = i;
    }
    if (fit != no_slot)
        return fit;
    if (largest == no_slot) {
        slot *grown = realloc(arena->slots, (arena->n_slots + 1) * sizeof *grown);
        if (!grown)
            return no_slot;
        arena->slots = grown;
        largest = arena->n_slots++;
        arena->slots[largest] = (slot){0};
    }
    arena->slots[largest].bytes = bytes;
    return largest;
}

/* Notes a slot of that size for the k-th take of the plan; no_slot where memory is short. */
static size_t plan_take(ffcl_arena *arena, size_t bytes)
{
    if (arena->n_order == arena->room) {
        size_t room = arena->room ? arena->room * 2 : 256;
        size_t *grown = realloc(arena->order, room * sizeof *grown);
        if (!grown)
            return no_slot;
        arena->order = grown;
        arena->room = room;
    }
    size_t s = plan_slot(arena, bytes);
    if (s == no_slot)
        return no_slot;
    arena->slots[s].used = 1;
    arena->order[arena->n_order++] = s;
    return s;
}

/* In whole floats; 0 where that is more than a size_t holds. */
static size_t bytes_of(const ffcl_tensor *t)
{
    size_t n, bytes;
    if (ffcl_mul(&n, t->batch, t->rows) || ffcl_mul(&n, n, t->cols) ||
        ffcl_mul(&bytes, ffcl_max(n, 1), ffcl_dtype_bytes(t->dtype)) || bytes + 3 < bytes)
        return 0;
    return ffcl_round_up(bytes, sizeof(float));
}

ffcl_tensor ffcl_take(ffcl_ctx *ctx, ffcl_tensor shape)
{
    ffcl_arena *arena = ctx->arena;
    const size_t bytes = bytes_of(&shape);
    if (ctx->status)
        return shape;
    if (!ctx->planning) {
        assert(arena->next < arena->n_order);
        size_t index = arena->order[arena->next++];
        assert(bytes && arena->slots[index].allocated >= bytes);
        shape.mem = arena->slots[index].mem;
        shape.slot = index + 1;
        return shape;
    }
    size_t s = bytes ? plan_take(arena, bytes) : no_slot;
    if (!bytes)
        ffcl_ctx_fail(ctx, FFCL_EDEVMEM, "an activation is larger than any memory");
    else if (s == no_slot)
        ffcl_ctx_fail(ctx, FFCL_ENOMEM, "out of memory for the activation plan");
    shape.slot = s + 1;     /* 0 for no_slot */
    return shape;
}

void ffcl_give(ffcl_ctx *ctx, ffcl_tensor *t)
{
    if (ctx->planning && t->slot)
        ctx->arena->slots[t->slot - 1].used = 0;
    *t = (ffcl_tensor){0};
}
