/* SPDX-License-Identifier: MIT
 * ffcl help, ffcl version. */
#include <cjson/cJSON.h>
#include <png.h>
#include <zip.h>
#include <zlib.h>

#include "build_info.h"
#include "program/command.h"

static int run_help(ffcl_session *s)
{
    if (s->n_words > 1)
        return ffcl_bad_usage(s, "one command at a time, and not also", s->words[1]);
    if (!s->n_words) {
        ffcl_help_print(stdout);
        return 0;
    }
    const ffcl_command *command = ffcl_command_find(s->words[0]);
    if (!command) {
        const char *nearest = ffcl_command_nearest(s->words[0]);
        s->err.code = FFCL_EUSAGE;
        snprintf(s->err.text, sizeof s->err.text, "there is no command %.200s%s%s%s; see ffcl help",
                 s->words[0], nearest ? " (did you mean " : "", nearest ? nearest : "",
                 nearest ? "?)" : "");
        return FFCL_EUSAGE;
    }
    ffcl_help_print_command(stdout, command);
    return 0;
}

static int run_version(ffcl_session *s)
{
    const int rc = ffcl_take_nothing(s);
    if (rc)
        return rc;
    puts("ffcl " FFCL_VERSION " (" FFCL_BUILD_COMMIT ")");
    printf("CLBlast " FFCL_BUILD_CLBLAST ", libpng %s, zlib %s, libzip %s, cJSON %s\n",
           png_get_libpng_ver(NULL), zlibVersion(), zip_libzip_version(), cJSON_Version());
    puts("OpenCL 1.2 and later; OpenCL platforms: ffcl devices");
    return 0;
}

const ffcl_command ffcl_help_command = {
    .name = "help", .summary = "explain a command",
    .usage = "help [COMMAND]\nCOMMAND --help\n", .help = "", .run = run_help,
};

const ffcl_command ffcl_version_command = {
    .name = "version", .summary = "print the version",
    .usage = "version\n--version\n", .help = "", .run = run_version,
};
