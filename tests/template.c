/* SPDX-License-Identifier: MIT
 * Prints config/sample.ini: every key with its default. */
#include <stdio.h>
#include <stdlib.h>

#include "config_table.h"

int main(void)
{
    char *text = NULL;
    ffcl_error err = {0};
    if (ffcl_config_template(&text, NULL, 0, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    fputs("; SPDX-License-Identifier: MIT\n"
          "; Every key with its default, made from the key table by make docs. Copy this file and\n"
          "; change what you need, or override single keys on the command line.\n", stdout);
    fputs(text, stdout);
    free(text);
    return 0;
}
