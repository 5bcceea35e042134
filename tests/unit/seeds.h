/* SPDX-License-Identifier: MIT
 * The folder of a test's files, which a script of tests/ makes. */
#ifndef FFCL_TESTS_UNIT_SEEDS_H
#define FFCL_TESTS_UNIT_SEEDS_H

#include <stdio.h>
#include <stdlib.h>

/* Fills `folder` by "COMMAND folder"; 0 if that worked. */
static inline int ffcl_seeds_make(const char *folder, const char *command)
{
    char text[600];
    snprintf(text, sizeof text, "%s %s", command, folder);
    return system(text);
}

static inline int ffcl_seeds_remove(const char *folder)
{
    char text[600];
    snprintf(text, sizeof text, "rm -rf %s", folder);
    return system(text);
}

#endif
