/* SPDX-License-Identifier: MIT */
#include "cl/together.h"

#include <string.h>

/* What cl/together.cl includes. */
static const char *const sources[] = {"conv_direct", "embed", "epilogue", "groupnorm_row", "image",
                                      "latent", "latent_conv_row", "layernorm_row",
                                      "patches_row", "softmax_row", "unpatch_row", "winograd"};

static int is(const char *word, size_t length, const char *option)
{
    return length == strlen(option) && strncmp(word, option, length) == 0;
}

int ffcl_is_together(const char *source, const char *options, const char **suffix)
{
    int known = 0, is_winograd = strcmp(source, "winograd") == 0;
    *suffix = "";
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        known |= strcmp(source, sources[i]) == 0;
    /* Kernels that have vectors must be asked for with their width, as here it is 16. */
    for (size_t n = 0; known && *options; options += n) {
        n = strcspn(options, " ");
        if (is_winograd && is(options, n, "-DUPSAMPLE"))
            *suffix = "_up";
        else if (n && !is(options, n, FFCL_TOGETHER_OPTIONS) &&
                 !(is_winograd && is(options, n, "-DTAPS=3")))
            known = 0;
        n += strspn(options + n, " ");
    }
    if (!known)
        *suffix = "";
    return known;
}
