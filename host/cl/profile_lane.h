/* SPDX-License-Identifier: MIT
 * What profile.c gathers and profile_report.c prints. */
#ifndef FFCL_CL_PROFILE_LANE_H
#define FFCL_CL_PROFILE_LANE_H

#include <pthread.h>

#include "cl/profile.h"

/* Events not read yet, and entries kept for the trace: 40 bytes each. */
enum { PROFILE_PENDING = 4096, PROFILE_ENTRIES_MOST = 1 << 18 };

#define FFCL_PROFILE_HOST "host"

typedef struct profile_label {
    const char *stage;          /* a constant of the caller's */
    char *text;
    uint32_t hash;
    uint64_t calls;
    double seconds;
    ffcl_cost cost;
} profile_label;

/* A command in flight.  Its time is from the end of first to the end of last; first NULL: last's
 * own time. */
typedef struct profile_pending {
    cl_event first, last;
    uint32_t label;
    ffcl_cost cost;
} profile_pending;

typedef struct profile_entry {
    double begin, end;
    ffcl_cost cost;
    uint32_t label;
} profile_entry;

struct ffcl_profile_lane {
    ffcl_profile *of;
    ffcl_profile_lane *next;
    ffcl_ctx *ctx;              /* NULL once detached */
    char name[128];             /* of the device */
    size_t index;
    const char *stage;
    char shape[64];             /* declared for the next command */
    ffcl_cost cost;
    profile_pending bracket, staged;    /* first NULL: not open */
    profile_pending pending[PROFILE_PENDING];
    size_t oldest, n_pending;
    profile_label *labels;
    size_t n_labels;
    profile_entry *entries;
    size_t n_entries, room, dropped;
    double host_at;             /* ffcl_clock when the device's clock showed device_at ns */
    cl_ulong device_at;
    double last_end;            /* of the command that was read last */
};

struct ffcl_profile {
    ffcl_profile_mode mode;
    double started;             /* ffcl_clock */
    pthread_mutex_t mutex;      /* of the list, as devices are opened by their workers */
    ffcl_profile_lane *lanes;
};

#endif
