/* SPDX-License-Identifier: MIT
 * ffcl help, ffcl version. */
#include <string.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include <cjson/cJSON.h>
#include <png.h>
#include <zip.h>
#include <zlib.h>

#include "build_info.h"
#include "cblas_library.h"
#include "cl/api.h"
#include "eval/jpeg.h"
#include "eval/lapack.h"
#include "program/command.h"
#include "run/ranks.h"

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

/* Where the texts of ffcl version begin. */
enum { COLUMN = 12 };

static void print_line(const char *name, const char *text)
{
    ffcl_help_wrap(stdout, printf("%s", name), COLUMN, text);
}

/* Those that say which they are, and those of which only the headers do. */
static void print_libraries(void)
{
    char text[900], mpi[200], more[300] = "";
#ifdef __GLIBC__
    snprintf(more, sizeof more, ", glibc %s", gnu_get_libc_version());
#endif
    ffcl_ranks_library(mpi, sizeof mpi);
    const size_t used = strlen(more);
    snprintf(more + used, sizeof more - used, "%s%s", *mpi ? ", " : "", mpi);
    snprintf(text, sizeof text, "libpng %s, zlib %s, libzip %s, cJSON %s%s",
             png_get_libpng_ver(NULL), zlibVersion(), zip_libzip_version(), cJSON_Version(), more);
    print_line("libraries", text);
    const char *jpeg = ffcl_jpeg_version();
    snprintf(text, sizeof text, "CLBlast " FFCL_BUILD_CLBLAST ", inih " FFCL_BUILD_INIH ", %s",
             *jpeg ? jpeg : "no libjpeg: ffcl eval reads no JPEG files");
    print_line("built with", text);
}

/* Loaded where they are needed; here as an evaluation and a device that is a CPU would. */
static void print_blas(void)
{
    char text[900];
    ffcl_cblas_library cblas;
    ffcl_lapack *lapack = NULL;
    ffcl_error why;
    if (ffcl_cblas_load_any(&cblas, &why) == 0) {
        snprintf(text, sizeof text, "%s, from %s", cblas.version, cblas.name);
        ffcl_cblas_unload(&cblas);
    } else {
        snprintf(text, sizeof text, "none: %.800s", why.text);
    }
    print_line("CBLAS", text);
    if (ffcl_lapack_open(&lapack, &why) == 0)
        snprintf(text, sizeof text, "%s, from %s", ffcl_lapack_version(lapack),
                 ffcl_lapack_name(lapack));
    else
        snprintf(text, sizeof text, "none: %.800s", why.text);
    ffcl_lapack_close(&lapack);
    print_line("LAPACK", text);
    cl_int CL_API_CALL (*loader)(cl_uint, cl_platform_id *, cl_uint *) = clGetPlatformIDs;
    char file[200];
    ffcl_library_file(file, sizeof file, &loader);
    /* Linked in another way the address is in the program itself, whose name says nothing. */
    const int is_known = strstr(file, "OpenCL") != NULL;
    snprintf(text, sizeof text, "1.2 and later%s%s; its platforms: ffcl devices",
             is_known ? ", by " : "", is_known ? file : "");
    print_line("OpenCL", text);
}

static int run_version(ffcl_session *s)
{
    const int rc = ffcl_take_nothing(s);
    if (rc)
        return rc;
    puts("ffcl " FFCL_VERSION " (" FFCL_BUILD_COMMIT ")");
    print_libraries();
    print_blas();
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
