/* SPDX-License-Identifier: MIT
 * Engines of several devices, opened side by side, each in a thread of its own. */
#ifndef FFCL_SAMPLE_OPENING_H
#define FFCL_SAMPLE_OPENING_H

#include "sample/engine.h"

typedef struct ffcl_opening ffcl_opening;

/* Starts to open an engine of wants->device.  cfg, what else wants points to and the observer's
 * user are borrowed; the observer is called from the thread, with notes and warnings only, as the
 * progress of loading is that of the first device.  FFCL_ENOMEM. */
int ffcl_opening_start(ffcl_opening **out, const ffcl_config *cfg, const ffcl_engine_wants *wants,
                       const ffcl_observer *observer, ffcl_error *err);

/* Waits for the engine, which is the caller's then; what ffcl_engine_open gives. */
int ffcl_opening_wait(ffcl_opening *opening, ffcl_engine **engine, ffcl_error *err);

/* Waits, and gives the engine, which stays the opening's. */
int ffcl_opening_look(ffcl_opening *opening, ffcl_engine **engine, ffcl_error *err);

/* Waits as well; closes an engine that nobody took.  One that was taken must be closed before, as
 * its reports go through the opening. */
void ffcl_opening_close(ffcl_opening **opening);

#endif
