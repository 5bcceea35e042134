/* SPDX-License-Identifier: MIT
 * A thread that does one task after another for its owner, who goes on meanwhile. */
#ifndef FFCL_EVAL_TASK_THREAD_H
#define FFCL_EVAL_TASK_THREAD_H

#include "error.h"

typedef struct ffcl_task_thread ffcl_task_thread;
typedef int (*ffcl_task)(void *user, ffcl_error *err);

/* task, with user, is what it does each time.  Where there is no thread to be had, the owner does
 * it at ffcl_task_thread_start.  FFCL_ENOMEM. */
int ffcl_task_thread_open(ffcl_task_thread **out, ffcl_task task, void *user, ffcl_error *err);
/* Waits for the task under way. */
void ffcl_task_thread_close(ffcl_task_thread **thread);

/* Has it do its task once more, after the one before has ended. */
void ffcl_task_thread_start(ffcl_task_thread *thread);
/* Waits until it has nothing to do; the first failure of all tasks so far. */
int ffcl_task_thread_wait(ffcl_task_thread *thread, ffcl_error *err);

#endif
