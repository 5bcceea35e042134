/* SPDX-License-Identifier: MIT
 * ffcl report: what a device is, what runs on it and how fast, for those who do not have it. */
#ifndef FFCL_BENCH_REPORT_H
#define FFCL_BENCH_REPORT_H

#include <stddef.h>

#include "cl/context.h"
#include "config.h"

struct cJSON;

/* report_parts.c: each adds one part to the device's object.  What fails is part of the report and
 * ends nothing. */
void ffcl_report_caps(struct cJSON *to, const ffcl_device *device);
void ffcl_report_selfcheck(struct cJSON *to, ffcl_config *cfg, const ffcl_observer *obs);
/* Rows of the kernel registry that match ("": all), at a small shape each, or at all. */
void ffcl_report_rows(struct cJSON *to, ffcl_ctx *ctx, const char *pattern, int all,
                      const ffcl_observer *obs);
/* The ceilings, and rows that match; "": some of the models' work. */
void ffcl_report_bench(struct cJSON *to, ffcl_ctx *ctx, const char *pattern);
void ffcl_report_plans(struct cJSON *to, const ffcl_config *cfg, const ffcl_device *device);

/* Paths, which may hold the names of people and machines, become (path). */
void ffcl_report_scrub(char *text);

#endif
