/* SPDX-License-Identifier: MIT
 * Completion for fish. */
#include <string.h>

#include "program/pages/pages.h"

static const char head[] =
    "# SPDX-License-Identifier: MIT\n"
    "# fish completion for ffcl; made by pages from the tables of ffcl.\n"
    "\n"
    "# The command of the line; sample where none is named.\n"
    "function __ffcl_command\n"
    "    set -l words (commandline -opc)\n"
    "    for word in $words[2..-1]\n"
    "        string match -q -- '-*' $word; and continue\n"
    "        if contains -- $word $__ffcl_commands\n"
    "            echo $word\n"
    "            return\n"
    "        end\n"
    "        break\n"
    "    end\n"
    "    echo sample\n"
    "end\n"
    "\n"
    "function __ffcl_is\n"
    "    contains -- (__ffcl_command) $argv\n"
    "end\n"
    "\n"
    "function __ffcl_has_key\n"
    "    string match -q '*=*' -- (commandline -ct)\n"
    "end\n"
    "\n"
    "# Is the first word still to come?\n"
    "function __ffcl_begins\n"
    "    set -l words (commandline -opc)\n"
    "    test (count (string match -v -- '-*' $words)) -le 1\n"
    "end\n"
    "\n"
    "function __ffcl_devices\n"
    "    printf '%s\\n' auto gpu cpu all\n"
    "    set -l words (commandline -opc)\n"
    "    $words[1] devices -q -l 2> /dev/null | string replace ' ' \\t\n"
    "end\n"
    "\n"
    "# The names of classes, where this ffcl knows them, behind a list with commas.\n"
    "function __ffcl_classes\n"
    "    set -l words (commandline -opc)\n"
    "    set -l list (commandline -ct | string match -r '^.*,')\n"
    "    $words[1] classes -q 2> /dev/null | string replace -r '^ *[0-9]+ +([^,]*).*' '$1' |\n"
    "        string replace -r '^' -- (string replace -r '^[^=]*=' '' -- $list; or echo '')\n"
    "end\n"
    "\n";

/* Text inside '...' of fish. */
static void put_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', out);
        if (*text != '`')
            fputc(*text, out);
    }
}

static void put_word(FILE *out, const char *word)
{
    fprintf(out, " %s", word);
}

static void write_option(FILE *out, const ffcl_option *o, const char *command)
{
    fputs("complete -c ffcl ", out);
    if (command)
        fprintf(out, "-n '__ffcl_is %s' ", command);
    if (o->letter)
        fprintf(out, "-s %c ", o->letter);
    fprintf(out, "-l %s -d '", o->name);
    put_text(out, o->help);
    fputc('\'', out);
    if (o->value && !o->bare) {
        const pages_values values = ffcl_pages_option_values(o);
        fputs(values == PAGES_FILES ? " -r -F" : " -x", out);
        if (values == PAGES_DEVICES)
            fputs(" -a '(__ffcl_devices)'", out);
        if (strchr(o->value, '|')) {
            fputs(" -a '", out);
            for (const char *c = o->value; *c; c++)
                fputc(*c == '|' ? ' ' : *c, out);
            fputc('\'', out);
        }
    }
    fputc('\n', out);
}

/* The names of the commands whose usage has the word, for __ffcl_is. */
static void put_takers(FILE *out, const char *word)
{
    const ffcl_command *c;
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;)
        if (ffcl_pages_takes(c, word))
            fprintf(out, " %s", c->name);
}

/* "section.key=" and, behind it, every value that is known.  fish matches the whole word. */
static void write_values(FILE *out)
{
    fputs("function __ffcl_assignments\n"
          "    set -l word (commandline -ct)\n"
          "    set -l key (string replace -r '=.*' '' -- $word)\n"
          "    if not string match -q '*=*' -- $word\n", out);
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        fprintf(out, "        printf '%%s\\t%%s\\n' %s.%s= '", ffcl_config_rows[i].section,
                ffcl_config_rows[i].key);
        put_text(out, ffcl_config_rows[i].help);
        fputs("'\n", out);
    }
    fputs("        return\n    end\n    switch $key\n", out);
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        const pages_values values = ffcl_pages_values(row);
        fprintf(out, "        case %s.%s\n            printf \"$key=%%s\\n\"", row->section,
                row->key);
        ffcl_pages_words(out, row, put_word);
        if (values == PAGES_DEVICES)
            fputs(" (__ffcl_devices)", out);
        if (values == PAGES_CLASSES)
            fputs(" (__ffcl_classes)", out);
        fputc('\n', out);
        if (values == PAGES_FILES)
            fputs("            set -l begin (string replace -r '^[^=]*=' '' -- $word)\n"
                  "            __fish_complete_path $begin | string replace -r '^' \"$key=\"\n",
                  out);
    }
    fputs("    end\nend\n\n", out);
}

void ffcl_pages_fish(FILE *out)
{
    const ffcl_command *c;
    fputs(head, out);
    fputs("set -g __ffcl_commands", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;)
        fprintf(out, " %s", c->name);
    fputs("\n\n", out);
    write_values(out);
    fputs("complete -c ffcl -f\n", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;) {
        fprintf(out, "complete -c ffcl -n __ffcl_begins -a %s -d '", c->name);
        put_text(out, c->summary);
        fputs("'\n", out);
    }
    fputs("complete -c ffcl -n '__ffcl_is", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;)
        if (ffcl_pages_takes_files(c))
            fprintf(out, " %s", c->name);
    fputs("; and not __ffcl_has_key' -F\ncomplete -c ffcl -n '__ffcl_is", out);
    put_takers(out, "section.key=value");
    fputs("' -a '(__ffcl_assignments)'\ncomplete -c ffcl -n '__ffcl_is", out);
    put_takers(out, "COMMAND");
    fputs("' -a '$__ffcl_commands'\ncomplete -c ffcl -n '__ffcl_is", out);
    put_takers(out, "SECTION.KEY");
    fputs("' -a '(__ffcl_assignments | string replace = \"\")'\n", out);
    for (const ffcl_option *o = ffcl_common_options; o->name; o++)
        write_option(out, o, NULL);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;)
        for (const ffcl_option *o = c->options; o && o->name; o++)
            write_option(out, o, c->name);
}
