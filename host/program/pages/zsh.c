/* SPDX-License-Identifier: MIT
 * Completion for zsh. */
#include <string.h>

#include "program/pages/pages.h"

static const char head[] =
    "#compdef ffcl\n"
    "# SPDX-License-Identifier: MIT\n"
    "# zsh completion for ffcl; made by pages from the tables of ffcl.\n"
    "\n"
    "_ffcl_devices() {\n"
    "    local -a found\n"
    "    found=(auto gpu cpu all ${(f)\"$(_call_program devices ${words[1]} devices -q -l)\"})\n"
    "    _describe -t devices device \"(${(j: :)${(@q)found/ /:}})\"\n"
    "}\n"
    "\n"
    "# The names of classes, where this ffcl knows them, behind a list with commas.\n"
    "_ffcl_classes() {\n"
    "    local -a found\n"
    "    if compset -P file:; then\n"
    "        _files\n"
    "        return\n"
    "    fi\n"
    "    compset -P '*,'\n"
    "    found=(${(f)\"$(_call_program classes ${words[1]} classes -q |\n"
    "        sed 's|^ *[0-9]*  *||; s|,.*||')\"})\n"
    "    compadd -- random balanced\n"
    "    compadd -S '' -- file:\n"
    "    compadd -a -- found\n"
    "}\n"
    "\n";

/* Text inside '...' of zsh; what _arguments and _describe split at is escaped. */
static void put_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else if (*text != '`')
            fputc(*text, out);
    }
}

static void put_word(FILE *out, const char *word)
{
    fprintf(out, " %s", word);
}

static void write_option(FILE *out, const ffcl_option *o)
{
    fputs("        ", out);
    if (o->letter)
        fprintf(out, "'(-%c --%s)'{-%c%s,--%s%s}'[", o->letter, o->name, o->letter,
                o->value ? "+" : "", o->name, o->value ? "=" : "");
    else
        fprintf(out, "'--%s%s[", o->name, o->value ? o->bare ? "=-" : "=" : "");
    put_text(out, o->help);
    fputc(']', out);
    if (o->value) {
        const pages_values values = ffcl_pages_option_values(o);
        fprintf(out, ":%s", o->bare ? ":" : "");
        put_text(out, o->value);
        if (strchr(o->value, '|')) {
            fputs(":(", out);
            for (const char *c = o->value; *c; c++)
                fputc(*c == '|' ? ' ' : *c, out);
            fputc(')', out);
        } else {
            fputs(values == PAGES_FILES ? ":_files" : values == PAGES_DEVICES ? ":_ffcl_devices"
                                                                              : ": ", out);
        }
    }
    fputs("'\n", out);
}

static void write_values(FILE *out)
{
    fputs("_ffcl_keys() {\n    local -a keys\n    keys=(\n", out);
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        fprintf(out, "        '%s.%s:", ffcl_config_rows[i].section, ffcl_config_rows[i].key);
        put_text(out, ffcl_config_rows[i].help);
        fputs("'\n", out);
    }
    fputs("    )\n    _describe -t keys key keys \"$@\"\n}\n\n"
          "# A word section.key=value.\n"
          "_ffcl_assignment() {\n"
          "    if ! compset -P 1 '*='; then\n        _ffcl_keys -S =\n        return\n    fi\n"
          "    case ${IPREFIX%=} in\n", out);
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        const pages_values values = ffcl_pages_values(row);
        fprintf(out, "    *%s.%s)\n", row->section, row->key);
        if (values == PAGES_DEVICES)
            fputs("        _ffcl_devices\n", out);
        else if (values == PAGES_CLASSES)
            fputs("        _ffcl_classes\n", out);
        if (values == PAGES_FILES)
            fputs("        _files\n", out);
        if (values == PAGES_FILES || values == PAGES_NOTHING) {
            fputs("        compadd --", out);
            ffcl_pages_words(out, row, put_word);
            fputc('\n', out);
        }
        fputs("        ;;\n", out);
    }
    fputs("    esac\n}\n\n", out);
}

static void write_commands(FILE *out)
{
    const ffcl_command *c;
    fputs("_ffcl_commands() {\n    local -a commands\n    commands=(\n", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;) {
        fprintf(out, "        '%s:", c->name);
        put_text(out, c->summary);
        fputs("'\n", out);
    }
    fputs("    )\n    _describe -t commands command commands\n}\n\n"
          "_ffcl_options() {\n    case $1 in\n", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;) {
        fprintf(out, "    %s)\n        spec=(\n", c->name);
        for (const ffcl_option *o = c->options; o && o->name; o++)
            write_option(out, o);
        for (const ffcl_option *o = ffcl_common_options; o->name; o++)
            write_option(out, o);
        fputs("        )\n        words_of=(", out);
        if (ffcl_pages_takes_files(c))
            fputs("_files ", out);
        if (ffcl_pages_takes(c, "section.key=value"))
            fputs("_ffcl_assignment ", out);
        if (ffcl_pages_takes(c, "COMMAND"))
            fputs("_ffcl_commands ", out);
        if (ffcl_pages_takes(c, "SECTION.KEY"))
            fputs("_ffcl_keys ", out);
        fputs(")\n        ;;\n", out);
    }
    fputs("    esac\n}\n\n", out);
}

static const char tail[] =
    "# A word that is no option: what the command takes.\n"
    "_ffcl_word() {\n"
    "    local taker\n"
    "    for taker in $words_of; do\n"
    "        $taker\n"
    "    done\n"
    "    return 0\n"
    "}\n"
    "\n"
    "_ffcl_first() {\n"
    "    _ffcl_commands\n"
    "    _files\n"
    "}\n"
    "\n"
    "_ffcl() {\n"
    "    local command=sample word\n"
    "    local -a spec words_of\n"
    "    integer at is_first=1\n"
    "    for ((at = 2; at < CURRENT; at++)); do\n"
    "        word=$words[at]\n"
    "        [[ $word == -* ]] && continue\n"
    "        is_first=0\n"
    "        if [[ \" $_ffcl_names \" == *\" $word \"* ]]; then\n"
    "            command=$word\n"
    "            words[at]=()\n"
    "            ((CURRENT--))\n"
    "        fi\n"
    "        break\n"
    "    done\n"
    "    _ffcl_options $command\n"
    "    if ((is_first)); then\n"
    "        _arguments -S $spec '1:command or INI file:_ffcl_first' '*:word:_ffcl_word'\n"
    "    else\n"
    "        _arguments -S $spec '*:word:_ffcl_word'\n"
    "    fi\n"
    "}\n"
    "\n"
    "_ffcl \"$@\"\n";

void ffcl_pages_zsh(FILE *out)
{
    const ffcl_command *c;
    fputs(head, out);
    fputs("_ffcl_names='", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;)
        fprintf(out, "%s ", c->name);
    fputs("'\n\n", out);
    write_values(out);
    write_commands(out);
    fputs(tail, out);
}
