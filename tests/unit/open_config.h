/* SPDX-License-Identifier: MIT
 * A configuration for unit tests. */
#ifndef FFCL_TESTS_UNIT_OPEN_CONFIG_H
#define FFCL_TESTS_UNIT_OPEN_CONFIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"

static inline ffcl_config *open_config(void)
{
    ffcl_config *cfg;
    ffcl_error err = {0};
    if (ffcl_config_open(&cfg, NULL, &err))
        fail_msg("%s", err.text);
    return cfg;
}

static inline void set(ffcl_config *cfg, const char *assignment)
{
    ffcl_error err = {0};
    if (ffcl_config_set(cfg, assignment, &err))
        fail_msg("%s", err.text);
}

#endif
