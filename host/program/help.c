/* SPDX-License-Identifier: MIT
 * ffcl help, ffcl COMMAND --help: text from the table of commands. */
#include <string.h>

#include "program/command.h"

static const char about[] =
    "ffcl generates images with FreeFlow, a one-step class-conditional image\n"
    "generator, on any OpenCL device.\n"
    "\n"
    "usage: ffcl FILE.ini [section.key=value ...] [option ...]\n"
    "       ffcl COMMAND [argument ...]         ffcl help COMMAND explains one\n";

static const char more[] =
    "FILE.ini names the weights, the classes, the seed and the outputs;\n"
    "section.key=value overrides one key. Files that are read lie relative to\n"
    "FILE.ini, files that are written relative to the current folder. For example,\n"
    "with the weights that come along:\n"
    "\n"
    "  ffcl config/demo.ini\n"
    "  ffcl config/demo.ini sampler.seed=7 sampler.classes=0-4 output.grid=seven.png\n"
    "\n";

const char ffcl_help_exit_codes[] =
    "Exit codes: 0 done, 2 command line, 3 INI key or value, 4 input file missing, "
    "5 input file damaged, 6 weights do not fit, 7 no device, 8 kernel does not build, "
    "9 device memory, 10 OpenCL call, 11 not a number in the result, 12 output not written, "
    "13 verify failed, 14 host memory, 15 stopped by Ctrl-C, 16 another run has the folder, "
    "17 begun with other settings. Errors are one sentence on stderr; docs/errors.md says what "
    "to do.";

/* "  -q, --quiet", without its help. */
static int option_head(char *text, size_t size, const ffcl_option *o)
{
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    return snprintf(text, size, "  %s--%s%s%s%s", letter, o->name,
                    o->value ? o->bare ? "[=" : " " : "", o->value ? o->value : "",
                    o->value && o->bare ? "]" : "");
}

static void print_options(FILE *out, const ffcl_option *list, int column)
{
    char head[96];
    for (const ffcl_option *o = list; o && o->name; o++) {
        const int at = option_head(head, sizeof head, o);
        fputs(head, out);
        ffcl_help_wrap(out, at, column, o->help);
    }
}

/* Where the help of options begins: behind the widest that leaves room for words. */
static int options_column(const ffcl_option *list)
{
    char head[96];
    int column = 20;
    for (const ffcl_option *o = list; o && o->name; o++) {
        const int at = option_head(head, sizeof head, o) + 2;
        column = at > column && at <= 30 ? at : column;
    }
    return column;
}

void ffcl_help_print(FILE *out)
{
    ffcl_help_text(out, about);
    fputs("\ncommands:\n", out);
    for (const ffcl_command *const *c = ffcl_commands; *c; c++)
        if (!(*c)->is_hidden)
            ffcl_help_wrap(out, fprintf(out, "  %s", (*c)->name), 14, (*c)->summary);
    fputs("\noptions of all commands:\n", out);
    print_options(out, ffcl_common_options, options_column(ffcl_common_options));
    fputc('\n', out);
    ffcl_help_text(out, more);
    ffcl_help_wrap(out, 0, 0, ffcl_help_exit_codes);
}

void ffcl_help_print_command(FILE *out, const ffcl_command *command)
{
    const int column = options_column(command->options);
    ffcl_help_line(out, 0, "ffcl %s: %s", command->name, command->summary);
    fputc('\n', out);
    const char *lead = "usage:";
    for (const char *line = command->usage; *line; lead = "      ") {
        const int length = (int)strcspn(line, "\n");
        ffcl_help_line(out, 9, "%s ffcl %.*s", lead, length, line);
        line += length + (line[length] == '\n');
    }
    fputc('\n', out);
    print_options(out, command->options, column);
    print_options(out, ffcl_common_options, column);
    if (*command->help)
        fputc('\n', out);
    ffcl_help_text(out, command->help);
}
