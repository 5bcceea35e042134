/* SPDX-License-Identifier: MIT
 * ffcl(1) and ffcl.ini(5). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "program/pages/pages.h"

/* One character as roff wants it; hyphens are those that can be copied into a shell. */
static void put_char(FILE *out, char c)
{
    if (c == '\\')
        fputs("\\e", out);
    else if (c == '-')
        fputs("\\-", out);
    else if (c == '\'')
        fputs("\\(aq", out);
    else if (c == '^')
        fputs("\\(ha", out);
    else if (c == '~')
        fputs("\\(ti", out);
    else
        fputc(c, out);
}

static void put_plain(FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_char(out, text[i]);
}

/* A paragraph of Markdown: code is bold, a link is its words.  No line begins with a dot. */
static void put_text(FILE *out, const char *text)
{
    int column = 0, is_bold = 0, is_link = 0;
    for (; *text; text++) {
        if (*text == '`') {
            fputs(is_bold ? "\\fR" : "\\fB", out);
            is_bold = !is_bold;
        } else if (*text == '[' && strstr(text, "](") && strcspn(text, "]") < strcspn(text, " ")) {
            is_link = 1;
        } else if (is_link && *text == ']') {
            is_link = 0;
            text += strcspn(text, ")");
        } else if (*text == ' ' && column + (int)strcspn(text + 1, " ") > 62 && text[1] != '.') {
            fputc('\n', out);
            column = 0;
            continue;
        } else {
            if (!column && *text == '.')
                fputs("\\&", out);
            put_char(out, *text);
        }
        column++;
    }
    fputs(is_bold ? "\\fR\n" : "\n", out);
}

static void put_head(FILE *out, const char *name, int section, const char *date, const char *about)
{
    fprintf(out, ".\\\" SPDX-License-Identifier: MIT\n"
                 ".\\\" Made by pages from the tables of ffcl; changes belong there.\n");
    fprintf(out, ".TH %s %d \"%s\" \"ffcl %s\" \"%s\"\n.SH NAME\n", name, section, date,
            FFCL_VERSION, section == 1 ? "User Commands" : "File Formats");
    for (; *name; name++)
        fputc(tolower((unsigned char)*name), out);
    fprintf(out, " \\- %s\n", about);
}

static void put_options(FILE *out, const ffcl_option *options)
{
    for (const ffcl_option *o = options; o && o->name; o++) {
        fputs(".TP\n", out);
        if (o->letter)
            fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
        fputs("\\fB\\-\\-", out);
        put_plain(out, o->name, strlen(o->name));
        fputs("\\fR", out);
        if (o->value) {
            fprintf(out, "%s\\fI", o->bare ? "[=" : " ");
            put_plain(out, o->value, strlen(o->value));
            fprintf(out, "\\fR%s", o->bare ? "]" : "");
        }
        fputc('\n', out);
        put_text(out, o->help);
    }
}

/* Each line of the usage; the first in bold as far as it is a name. */
static void put_usage(FILE *out, const ffcl_command *command)
{
    fputs(".nf\n", out);
    for (const char *line = command->usage; *line;) {
        const size_t n = strcspn(line, "\n");
        fputs("\\fBffcl\\fR ", out);
        put_plain(out, line, n);
        fputc('\n', out);
        line += n + (line[n] == '\n');
    }
    fputs(".fi\n", out);
}

/* The text of a command: paragraphs, which are filled, and examples, which are indented there and
 * stand as they are. */
static void put_help(FILE *out, const char *help)
{
    int is_example = 0, is_new = 1;
    char paragraph[2000];
    size_t used = 0;
    while (*help) {
        const size_t n = strcspn(help, "\n");
        const int was_example = is_example;
        is_example = *help == ' ';
        if ((n == 0 || is_example) && used) {
            put_text(out, paragraph);
            used = 0;
        }
        if (was_example && !is_example)
            fputs(".fi\n", out);
        if (n && (is_example ? !was_example : is_new))
            fputs(is_example ? ".PP\n.nf\n" : ".PP\n", out);
        if (is_example) {
            const size_t indent = strspn(help, " ");
            put_plain(out, help + indent, n - indent);
            fputc('\n', out);
        } else if (n && used + n + 2 < sizeof paragraph) {
            used += (size_t)snprintf(paragraph + used, sizeof paragraph - used, "%s%.*s",
                                     used ? " " : "", (int)n, help);
        }
        is_new = n == 0 || is_example;
        help += n + (help[n] == '\n');
    }
    if (used)
        put_text(out, paragraph);
    if (is_example)
        fputs(".fi\n", out);
}

static void put_command(FILE *out, const ffcl_command *command)
{
    fputs(".SS ", out);
    put_plain(out, command->name, strlen(command->name));
    fputc('\n', out);
    put_text(out, command->summary);
    fputs(".PP\n", out);
    put_usage(out, command);
    put_options(out, command->options);
    put_help(out, command->help);
}

void ffcl_pages_man(FILE *out, const char *date)
{
    const ffcl_command *c;
    put_head(out, "FFCL", 1, date, "one\\-step class\\-conditional image generation on OpenCL");
    fputs(".SH SYNOPSIS\n", out);
    put_usage(out, ffcl_command_find("sample"));
    fputs(".PP\n\\fBffcl\\fR \\fICOMMAND\\fR [\\fIargument\\fR ...]\n"
          ".SH DESCRIPTION\n", out);
    put_text(out, "ffcl generates images with FreeFlow and related models: a SiT transformer turns "
             "noise into a latent, the decoder of a Stable Diffusion VAE turns the latent into an "
             "image. It runs on any OpenCL device, graphics cards and plain processors.");
    fputs(".PP\n", out);
    put_text(out, "An INI file names the weights, the classes, the seed and the outputs; "
             "`section.key=value` after it overrides one key. ffcl.ini(5) explains them all. Files "
             "that are read lie relative to the INI file, files that are written relative to the "
             "current folder.");
    fputs(".SH OPTIONS OF ALL COMMANDS\n", out);
    put_options(out, ffcl_common_options);
    fputs(".SH COMMANDS\n", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;)
        put_command(out, c);
    fputs(".SH EXIT STATUS\n", out);
    put_text(out, ffcl_help_exit_codes);
    fputs(".SH ENVIRONMENT\n", out);
    static const struct {
        const char *name, *help;
    } variables[] = {
        {"FFCL_CACHE_DIR", "where compiled programs and self-checks are kept; empty: nowhere. Else "
         "XDG_CACHE_HOME/ffcl, else ~/.cache/ffcl"},
        {"XDG_CONFIG_HOME", "ffcl/tuning in it, or in ~/.config, has what ffcl tune found"},
        {"FFCL_VARIANTS", "for debugging: variants of operations to be used, such as "
         "attention=row"},
        {"FFCL_TRACE", "for debugging: a file for a line of each launch"},
        {"FFCL_CL_DIR", "for debugging: a folder of kernels in place of those built in"},
    };
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        fprintf(out, ".TP\n.B %s\n", variables[i].name);
        put_text(out, variables[i].help);
    }
    fputs(".SH EXAMPLES\n.nf\n"
          "ffcl config/demo.ini\n"
          "ffcl config/demo.ini sampler.seed=7 output.grid=seven.png\n"
          "ffcl eval samples.npz \\-\\-reference VIRTUAL_imagenet256_labeled.npz\n"
          ".fi\n.SH SEE ALSO\n.BR ffcl.ini (5)\n", out);
}

static void put_key(FILE *out, const ffcl_config_row *row)
{
    char *expected = ffcl_config_expected(row);
    fputs(".TP\n\\fB", out);
    put_plain(out, row->key, strlen(row->key));
    fputs(*row->initial ? "\\fR = " : "\\fR =", out);
    put_plain(out, row->initial, strlen(row->initial));
    fputc('\n', out);
    put_text(out, row->help);
    if (expected) {
        fputs(".br\nExpected: ", out);
        put_text(out, expected);
    }
    free(expected);
}

void ffcl_pages_man_ini(FILE *out, const char *date)
{
    const char *section = "";
    put_head(out, "FFCL.INI", 5, date, "what ffcl samples, and how");
    fputs(".SH DESCRIPTION\n", out);
    put_text(out, "An INI file is given to ffcl(1). It has sections, keys and values; a line that "
             "begins with `;` or `#` is a comment, and so is what follows ` ;` after a value. A "
             "long value continues in lines that are indented. Each key has the default that "
             "stands behind it here. `section.key=value` on the command line overrides it.");
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        if (strcmp(section, row->section))
            fprintf(out, ".SH SECTION [%s]\n", row->section);
        section = row->section;
        put_key(out, row);
    }
    fputs(".SH SECTION [" FFCL_CONFIG_CONDITION "]\n", out);
    put_text(out, "has a line for each scalar embedder of the checkpoint that the preset does not "
             "know: its name, and `delta` (the step length), `t`, `r`, `guidance`, `omega`, "
             "`t_min`, `t_max`, `goal`, two of these with a comma, or a number.");
    fputs(".SH SEE ALSO\n.BR ffcl (1)\n", out);
}
