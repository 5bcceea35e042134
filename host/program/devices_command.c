/* SPDX-License-Identifier: MIT
 * ffcl devices. */
#include "program/command.h"

static void print_device(void *user, size_t index, const char *title, const char *const *lines)
{
    (void)user;
    printf("%s[%zu] %s\n", index ? "\n" : "", index, title);
    for (; *lines; lines++)
        printf("    %s\n", *lines);
}

static int run_devices(ffcl_session *s)
{
    const int rc = ffcl_take_nothing(s);
    return rc ? rc : ffcl_devices(print_device, NULL, &s->err);
}

const ffcl_command ffcl_devices_command = {
    .name = "devices", .summary = "list the OpenCL devices",
    .usage = "devices\n",
    .help = "The number in brackets is what device.select takes; so it does part of a name,\n"
            "and platform:device, which stands in parentheses.\n",
    .run = run_devices,
};
