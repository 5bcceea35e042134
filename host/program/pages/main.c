/* SPDX-License-Identifier: MIT
 * Writes a man page or a file of completion to standard output.
 * usage: pages {ffcl.1|ffcl.ini.5} DATE
 *        pages {bash|zsh|fish} */
#include <string.h>

#include "program/pages/pages.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(FILE *out);
        void (*write_dated)(FILE *out, const char *date);
    } pages[] = {
        {"ffcl.1", NULL, ffcl_pages_man},
        {"ffcl.ini.5", NULL, ffcl_pages_man_ini},
        {"bash", ffcl_pages_bash, NULL},
        {"zsh", ffcl_pages_zsh, NULL},
        {"fish", ffcl_pages_fish, NULL},
    };
    for (size_t i = 0; argc > 1 && i < sizeof pages / sizeof *pages; i++)
        if (!strcmp(argv[1], pages[i].name) && argc == (pages[i].write ? 2 : 3)) {
            if (pages[i].write)
                pages[i].write(stdout);
            else
                pages[i].write_dated(stdout, argv[2]);
            return fflush(stdout) || ferror(stdout);
        }
    fputs("usage: pages {ffcl.1|ffcl.ini.5} DATE, pages {bash|zsh|fish}\n", stderr);
    return 2;
}
