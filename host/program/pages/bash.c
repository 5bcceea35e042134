/* SPDX-License-Identifier: MIT
 * Completion for bash.  It needs nothing of bash-completion.  Readline hands over the part of a
 * word behind = and : only; the functions look at the whole word and cut the answers again. */
#include <string.h>

#include "program/pages/pages.h"

static const char head[] =
    "# SPDX-License-Identifier: MIT\n"
    "# bash completion for ffcl; made by pages from the tables of ffcl.\n"
    "\n"
    "# Adds what of the lines of $1 begins with $2; what readline has of the word already is cut.\n"
    "_ffcl_add() {\n"
    "    local line cut=${cur%\"${cur##*[=:]}\"}\n"
    "    while IFS= read -r line; do\n"
    "        [[ $line == \"$2\"* ]] && COMPREPLY+=(\"${line#\"$cut\"}\")\n"
    "    done <<< \"$1\"\n"
    "}\n"
    "\n"
    "# Files that begin with $2, behind the text $1 (\"output.grid=\").\n"
    "_ffcl_files() {\n"
    "    local file files=''\n"
    "    compopt -o filenames 2> /dev/null\n"
    "    while IFS= read -r file; do\n"
    "        files+=$1$file$'\\n'\n"
    "    done < <(compgen -f -- \"$2\")\n"
    "    _ffcl_add \"${files%$'\\n'}\" \"$cur\"\n"
    "}\n"
    "\n"
    "# The devices that ffcl finds, by index.\n"
    "_ffcl_devices() {\n"
    "    \"$ffcl\" devices -q -l 2> /dev/null | cut -d ' ' -f 1\n"
    "}\n"
    "\n"
    "# The names of classes, where this ffcl knows them: the first of a line.\n"
    "_ffcl_classes() {\n"
    "    \"$ffcl\" classes -q 2> /dev/null | sed 's|^ *[0-9]*  *||; s|,.*||'\n"
    "}\n"
    "\n"
    "# Lines of $2, each behind the text $1.\n"
    "_ffcl_each() {\n"
    "    local line\n"
    "    while IFS= read -r line; do\n"
    "        [[ -n $line ]] && printf '%s%s\\n' \"$1\" \"$line\"\n"
    "    done <<< \"$2\"\n"
    "}\n"
    "\n";

static const char tail[] =
    "_ffcl() {\n"
    "    local ffcl=${COMP_WORDS[0]/#\\~/$HOME} line=${COMP_LINE:0:COMP_POINT}\n"
    "    local cur=${line##*[[:space:]]} before command='' word options keys files words\n"
    "    local -a seen\n"
    "    COMPREPLY=()\n"
    "    # A blank that is escaped belongs to the word.\n"
    "    while [[ $line == *\\\\[[:space:]]\"$cur\" ]]; do\n"
    "        line=${line%[[:space:]]\"$cur\"} line=${line%\\\\}\n"
    "        cur=\"${line##*[[:space:]]} $cur\"\n"
    "    done\n"
    "    before=${COMP_LINE:0:COMP_POINT}\n"
    "    read -ra seen <<< \"${before%\"${before##*[[:space:]]}\"}\"\n"
    "    for word in \"${seen[@]:1}\"; do\n"
    "        [[ $word == -* ]] && continue\n"
    "        [[ \" $_ffcl_commands \" == *\" $word \"* ]] && command=$word\n"
    "        break\n"
    "    done\n"
    "    before=${seen[${#seen[@]} - 1]}\n"
    "    _ffcl_command \"${command:-sample}\"\n"
    "    # The value of an option, behind it or behind --option=\n"
    "    if [[ $cur == --*=* ]]; then\n"
    "        _ffcl_option \"${command:-sample}\" \"${cur%%=*}\" \"${cur%%=*}=\" \"${cur#*=}\"\n"
    "        return\n"
    "    fi\n"
    "    if [[ $before == -* ]] &&\n"
    "        _ffcl_option \"${command:-sample}\" \"$before\" '' \"$cur\"; then\n"
    "        return\n"
    "    fi\n"
    "    if [[ $cur == -* ]]; then\n"
    "        _ffcl_add \"$options\" \"$cur\"\n"
    "    elif [[ $cur == *=* && -n $keys ]]; then\n"
    "        _ffcl_value \"${cur%%=*}\" \"${cur#*=}\"\n"
    "    else\n"
    "        [[ -z $command && ${#seen[@]} -le 1 ]] &&\n"
    "            _ffcl_add \"${_ffcl_commands// /$'\\n'}\" \"$cur\"\n"
    "        [[ -n $words ]] && _ffcl_add \"$words\" \"$cur\"\n"
    "        # Keys come behind the INI file: not where nothing stands yet.\n"
    "        if [[ -n $keys && (-n $cur || ${#seen[@]} -gt 1) ]]; then\n"
    "            _ffcl_add \"$_ffcl_keys\" \"$cur\"\n"
    "        fi\n"
    "        [[ -n $files ]] && _ffcl_files '' \"$cur\"\n"
    "    fi\n"
    "    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace\n"
    "    return 0\n"
    "}\n"
    "\n"
    "complete -F _ffcl ffcl\n";

static void put_word(FILE *out, const char *word)
{
    fprintf(out, "%s\n", word);
}

static void write_values(FILE *out)
{
    fputs("# Values $2 of the key $1.\n_ffcl_value() {\n    local words='' head=$1= rest=$2\n"
          "    case $1 in\n", out);
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        fprintf(out, "    %s.%s)\n        words='", row->section, row->key);
        ffcl_pages_words(out, row, put_word);
        fputs("'\n", out);
        switch (ffcl_pages_values(row)) {
        case PAGES_FILES:
            fputs("        _ffcl_files \"$head\" \"$rest\"\n", out);
            break;
        case PAGES_DEVICES:
            fputs("        words+=$(_ffcl_devices)\n", out);
            break;
        case PAGES_CLASSES:
            /* The list has commas; what stands before the last one stays. */
            fputs("        if [[ $rest == file:* ]]; then\n"
                  "            _ffcl_files \"$head\"file: \"${rest#file:}\"\n"
                  "            return\n        fi\n"
                  "        [[ $rest == *,* ]] && words='' head=$head${rest%,*},\n"
                  "        words+=$(_ffcl_classes)\n"
                  "        words=${words// /\\\\ }\n"
                  "        cur=${cur// /\\\\ } head=${head// /\\\\ }\n", out);
            break;
        case PAGES_NOTHING:
            break;
        }
        fputs("        ;;\n", out);
    }
    fputs("    esac\n    _ffcl_add \"$(_ffcl_each \"$head\" \"$words\")\" \"$cur\"\n}\n\n", out);
}

static void put_options(FILE *out, const ffcl_option *options)
{
    for (const ffcl_option *o = options; o && o->name; o++) {
        if (o->letter)
            fprintf(out, "-%c\n", o->letter);
        fprintf(out, "--%s\n", o->name);
    }
}

static void write_commands(FILE *out)
{
    const ffcl_command *c;
    const char *blank = "";
    fputs("_ffcl_commands='", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL; blank = " ")
        fprintf(out, "%s%s", blank, c->name);
    fputs("'\n_ffcl_keys='", out);
    for (size_t i = 0; i < ffcl_config_n_rows; i++)
        fprintf(out, "%s.%s=\n", ffcl_config_rows[i].section, ffcl_config_rows[i].key);
    fputs("'\n\n# What the command $1 takes: options, keys, files, words.\n"
          "_ffcl_command() {\n    case $1 in\n", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;) {
        fprintf(out, "    %s)\n        options='", c->name);
        put_options(out, c->options);
        put_options(out, ffcl_common_options);
        fprintf(out, "' keys=%s files=%s\n", ffcl_pages_takes(c, "section.key=value") ? "1" : "",
                ffcl_pages_takes_files(c) ? "1" : "");
        if (ffcl_pages_takes(c, "COMMAND"))
            fputs("        words=${_ffcl_commands// /$'\\n'}\n", out);
        if (ffcl_pages_takes(c, "SECTION.KEY"))
            fputs("        words=${_ffcl_keys//=/}\n", out);
        fputs("        ;;\n", out);
    }
    fputs("    esac\n}\n\n", out);
}

/* 1 from the function: the option takes no value. */
static void write_options(FILE *out)
{
    const ffcl_command *c;
    fputs("# The value $4 of the option $2 of the command $1, behind the text $3.\n"
          "_ffcl_option() {\n    case $1$2 in\n", out);
    for (size_t at = 0; (c = ffcl_pages_command(&at)) != NULL;)
        for (const ffcl_option *o = c->options; o && o->name; o++) {
            if (!o->value)
                continue;
            fprintf(out, "    %s--%s", c->name, o->name);
            if (o->letter)
                fprintf(out, " | %s-%c", c->name, o->letter);
            fputs(")\n", out);
            if (o->bare)
                fputs("        [[ -n $3 ]] || return 1\n", out);
            const pages_values values = ffcl_pages_option_values(o);
            if (values == PAGES_FILES)
                fputs("        _ffcl_files \"$3\" \"$4\"\n", out);
            else if (values == PAGES_DEVICES)
                fputs("        _ffcl_add \"$(_ffcl_each \"$3\" "
                      "$'auto\\ngpu\\ncpu\\nall\\n'\"$(_ffcl_devices)\")\" \"$3$4\"\n", out);
            else if (strchr(o->value, '|'))
                fprintf(out, "        local words='%s'\n        _ffcl_add \"$(_ffcl_each \"$3\" "
                        "\"${words//|/$'\\n'}\")\" \"$3$4\"\n", o->value);
            fputs("        ;;\n", out);
        }
    fputs("    *) return 1 ;;\n    esac\n}\n\n", out);
}

void ffcl_pages_bash(FILE *out)
{
    fputs(head, out);
    write_commands(out);
    write_options(out);
    write_values(out);
    fputs(tail, out);
}
