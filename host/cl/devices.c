/* SPDX-License-Identifier: MIT
 * ffcl_devices: what `ffcl devices` shows. */
#include <stdio.h>
#include <stdlib.h>

#include "cl/device.h"

enum { LINES = 8 };

static void visit_one(const ffcl_device *d, ffcl_device_visitor *visit, void *user)
{
    const ffcl_caps *c = &d->caps;
    char text[LINES][288], title[288];
    const char *lines[LINES + 1] = {0};
    const double GB = 1e9, KB = 1024;
    snprintf(title, sizeof title, "%s (%zu:%zu)", c->name, d->platform_index, d->device_index);
    snprintf(text[0], sizeof text[0], "type: %s", ffcl_device_kind(c));
    snprintf(text[1], sizeof text[1], "platform: %s", c->platform);
    snprintf(text[2], sizeof text[2], "vendor: %s", c->vendor);
    snprintf(text[3], sizeof text[3], "driver: %s (%s)", c->driver, c->version);
    snprintf(text[4], sizeof text[4], "memory: %.1f GB, %.1f GB in one piece%s",
             (double)c->global_bytes / GB, (double)c->max_alloc_bytes / GB,
             c->unified ? ", shared with the host" : "");
    snprintf(text[5], sizeof text[5], "local memory: %.0f KB", (double)c->local_bytes / KB);
    snprintf(text[6], sizeof text[6], "compute units: %u, work-groups of up to %zu",
             (unsigned)c->units, c->max_work_group);
    snprintf(text[7], sizeof text[7], "half precision: %s", c->half ? "yes" : "no");
    for (int i = 0; i < LINES; i++)
        lines[i] = text[i];
    visit(user, d->index, title, lines);
}

int ffcl_devices(ffcl_device_visitor *visit, void *user, ffcl_error *err)
{
    ffcl_device *list = NULL;
    size_t n = 0;
    int rc = ffcl_device_list(&list, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        visit_one(&list[i], visit, user);
    free(list);
    return rc;
}
