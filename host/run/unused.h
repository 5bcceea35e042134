/* SPDX-License-Identifier: MIT
 * Keys that are set and change nothing in this run. */
#ifndef FFCL_RUN_UNUSED_H
#define FFCL_RUN_UNUSED_H

#include "sample/engine.h"

/* A note that names them, with the reason; nothing where there are none. */
void ffcl_unused_report(const ffcl_engine *engine, const ffcl_observer *observer);

#endif
