/* SPDX-License-Identifier: MIT */
#include "os/confine.h"

void ffcl_confine_allow(ffcl_confine_rules *rules, const char *path, int allows)
{
    (void)rules, (void)path, (void)allows;
}

void ffcl_confine_allow_folder_of(ffcl_confine_rules *rules, const char *path, int allows)
{
    (void)rules, (void)path, (void)allows;
}

void ffcl_confine_allow_system(ffcl_confine_rules *rules)
{
    (void)rules;
}

int ffcl_confine_enter(const ffcl_confine_rules *rules, ffcl_error *err)
{
    (void)rules;
    return ffcl_fail(err, FFCL_EUSAGE, "there is no sandbox: it needs Linux's Landlock");
}

void ffcl_confine_close(ffcl_confine_rules *rules)
{
    rules->n = 0;
}
