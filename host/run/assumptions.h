/* SPDX-License-Identifier: MIT
 * What decides the images and is not said in the INI file alone: the preset and where each value is
 * from, what was taken of the weight files, what is assumed.  Notes to the observer. */
#ifndef FFCL_RUN_ASSUMPTIONS_H
#define FFCL_RUN_ASSUMPTIONS_H

#include "sample/engine.h"

/* cfg: that of the run, its preset resolved. */
void ffcl_assumptions_report(const ffcl_engine *engine, const ffcl_config *cfg,
                             const ffcl_observer *obs);

#endif
