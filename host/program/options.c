/* SPDX-License-Identifier: MIT
 * The command line: which command, its options, its words. */
#include <assert.h>
#include <ctype.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_table.h"
#include "files/tilde.h"
#include "os/paths.h"
#include "program/command.h"
#include "util.h"

const ffcl_option ffcl_common_options[] = {
    {"quiet", 'q', NULL, "print warnings and errors only", NULL},
    {"verbose", 'v', NULL, "say more of what is done, and what drivers print", NULL},
    {"color", 0, "WHEN", "colours: auto (on a terminal, unless NO_COLOR is set), always or never",
     NULL},
    {"help", 'h', NULL, "print this text", NULL},
    {"version", 'V', NULL, "print the version", NULL},
    {NULL, 0, NULL, NULL, NULL},
};

/* The options of a command and of all, as one list. */
static size_t list_options(const ffcl_command *c, const ffcl_option **list)
{
    size_t n = 0;
    for (const ffcl_option *o = c->options; o && o->name; o++)
        list[n++] = o;
    for (const ffcl_option *o = ffcl_common_options; o->name; o++)
        list[n++] = o;
    assert(n <= FFCL_OPTIONS_MOST);
    return n;
}

int ffcl_bad_usage(ffcl_session *s, const char *sentence, const char *argument)
{
    const char *of = s->command && s->command != &ffcl_sample_command ? s->command->name : "";
    s->err.code = FFCL_EUSAGE;
    snprintf(s->err.text, sizeof s->err.text, "%s%s%.200s; see ffcl %s%s--help", sentence,
             *argument ? " " : "", argument, of, *of ? " " : "");
    return s->err.code;
}

/* Whether the argument is an option of the command whose value is the next argument. */
static int takes_next(const ffcl_command *c, const char *argument)
{
    const ffcl_option *list[FFCL_OPTIONS_MOST];
    const size_t n = list_options(c, list);
    for (size_t i = 0; i < n; i++) {
        const char letter[] = {'-', list[i]->letter, '\0'};
        if (list[i]->value && !list[i]->bare &&
            ((list[i]->letter && !strcmp(argument, letter)) ||
             (!strncmp(argument, "--", 2) && !strcmp(argument + 2, list[i]->name))))
            return 1;
    }
    return 0;
}

/* The command's place in argv: the first word, if a command is called so; else 0. */
static int find_command(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1])
        at += 1 + takes_next(&ffcl_sample_command, argv[at]);
    return at < argc && ffcl_command_find(argv[at]) ? at : 0;
}

/* The key that an unknown option is called after ("seed", "sampler.seed"), where the command takes
 * keys. */
static int key_of_option(const ffcl_command *c, const char *name, char *key, size_t size)
{
    char text[64];
    snprintf(text, sizeof text, "%s", name);
    for (char *t = text; *t; t++)
        *t = *t == '-' ? '_' : *t;
    *key = '\0';
    const ffcl_config_row *meant = ffcl_config_by_word(text);
    if (meant)
        snprintf(key, size, "%s.%s", meant->section, meant->key);
    for (size_t i = 0; i < ffcl_config_n_rows && !*key; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        const size_t n = strlen(row->section);
        const int is_long = !strncmp(text, row->section, n) && text[n] == '.';
        if (!strcmp(is_long ? text + n + 1 : text, row->key))
            snprintf(key, size, "%s.%s", row->section, row->key);
    }
    return *key && strstr(c->usage, "section.key=value");
}

/* is_within: of -ngl the letter n, which is then no habit of others. */
static int unknown_option(ffcl_session *s, const ffcl_option *const *list, size_t n,
                          const char *argument, int is_within)
{
    const ffcl_option *nearest = NULL;
    size_t least = 3, length = strcspn(argument, "=");
    const size_t dashes = argument[1] == '-' ? 2 : 1;
    /* -name as --name, too */
    char name[64], key[64], twice[68] = "-", *whole = twice + 1, sentence[256] = "";
    snprintf(whole, sizeof twice - 1, "%.*s", (int)(length < 66 ? length : 66), argument);
    const char *hint = is_within ? NULL : ffcl_option_elsewhere(s->command, whole);
    if (!hint && dashes == 1 && length > 2)
        hint = ffcl_option_elsewhere(s->command, twice);
    if (hint) {
        snprintf(sentence, sizeof sentence, "unknown option %s: %s", whole, hint);
        return ffcl_bad_usage(s, sentence, "");
    }
    if (length == 2 || length - dashes >= sizeof name)
        return ffcl_bad_usage(s, "unknown option", argument);
    for (size_t i = 0; i < length - dashes; i++)
        name[i] = (char)tolower((unsigned char)argument[dashes + i]);
    name[length - dashes] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t distance = ffcl_edit_distance(name, list[i]->name);
        if (distance < least && distance < strlen(name)) {
            least = distance;
            nearest = list[i];
        }
    }
    if (least && key_of_option(s->command, name, key, sizeof key)) {
        snprintf(sentence, sizeof sentence, "unknown option %s: this is a key, %s=%.60s", whole,
                 key, argument[length] ? argument + length + 1 : "VALUE");
        return ffcl_bad_usage(s, sentence, "");
    }
    snprintf(sentence, sizeof sentence, "unknown option %.62s%s%s%s", whole,
             nearest ? " (did you mean --" : "", nearest ? nearest->name : "",
             nearest ? "?)" : "");
    return ffcl_bad_usage(s, sentence, "");
}

/* What getopt_long complains of: c is its answer, at the argument before optind. */
static int complain(ffcl_session *s, int c, const ffcl_option *const *list, size_t n,
                    const char *argument, const char *next)
{
    /* Within "-xq" getopt is still before the argument, hence the letter. */
    const char letter[] = {'-', (char)optopt, '\0'};
    int is_known = 0;
    for (size_t i = 0; i < n; i++)
        is_known |= optopt == 256 + (int)i || (optopt && optopt == list[i]->letter);
    if (c == ':')
        return ffcl_bad_usage(s, "this option needs a value:", argument);
    if (is_known)
        return ffcl_bad_usage(s, "this option takes no value:", argument);
    const int is_within = next && *next == '-' && next[1] == optopt &&
                          isalpha((unsigned char)next[2]);
    return unknown_option(s, list, n, optopt > 0 && optopt < 256 ? letter : argument, is_within);
}

/* A name behind one dash, as ffmpeg has them: letters such as -overwrite would be taken for
 * -o verwrite.  NULL where no argument is one. */
static const char *find_single_dash(const ffcl_command *c, const ffcl_option *const *list,
                                    size_t n, char *const *arguments)
{
    char name[64], key[64];
    for (char *const *a = arguments; *a && strcmp(*a, "--"); a++) {
        const size_t length = strcspn(*a, "=");
        if (**a != '-' || (*a)[1] == '-' || length < 3 || length + 1 >= sizeof name)
            continue;
        snprintf(name, sizeof name, "-%.*s", (int)length, *a);
        if (ffcl_option_elsewhere(c, name) || key_of_option(c, name + 2, key, sizeof key))
            return *a;
        for (size_t i = 0; i < n; i++)
            if (!strcmp(name + 2, list[i]->name))
                return *a;
    }
    return NULL;
}

static void keep(ffcl_session *s, const ffcl_option *option, const char *value)
{
    size_t i = 0;
    while (i < s->n_given && s->given[i].option != option)
        i++;
    s->given[i].option = option;
    s->given[i].value = value ? value : option->bare ? option->bare : "";
    s->n_given += i == s->n_given;
}

/* "" would pass for what an option means that is not given. */
static int empty_value(ffcl_session *s, const ffcl_option *option)
{
    char sentence[160];
    snprintf(sentence, sizeof sentence, "--%s= needs a value, and it is empty (a variable of the "
             "shell that is not set?)", option->name);
    return ffcl_bad_usage(s, sentence, "");
}

/* "~/x", "--names=~/x" and "-o~/x": paths of which the shell has not replaced the ~.  Those of keys
 * are replaced where they are stored. */
static int expand_homes(ffcl_session *s, char **arguments)
{
    for (char **a = arguments; *a; a++) {
        char *tilde = *a, *path, *whole;
        if (!strncmp(*a, "--", 2))
            tilde = strchr(*a, '=') ? strchr(*a, '=') + 1 : *a;
        else if (**a == '-' && (*a)[1])
            tilde = *a + 2;
        if (*tilde != '~')
            continue;
        if (ffcl_tilde(&path, tilde, &s->err))
            return s->err.code;
        whole = ffcl_format("%.*s%s", (int)(tilde - *a), *a, path);
        free(path);
        if (!whole)
            return ffcl_fail(&s->err, FFCL_ENOMEM, "out of memory for %s", *a);
        ffcl_path_clean(whole + (tilde - *a));
        *a = whole;                 /* the process's, as the others are */
    }
    return 0;
}

int ffcl_options_parse(ffcl_session *s, int argc, char **argv)
{
    const ffcl_option *list[FFCL_OPTIONS_MOST];
    struct option options[FFCL_OPTIONS_MOST + 1] = {{NULL, 0, NULL, 0}};
    char letters[2 * FFCL_OPTIONS_MOST + 2] = ":", *l = letters + 1;
    const int at = find_command(argc, argv);
    int c;
    s->command = at ? ffcl_command_find(argv[at]) : &ffcl_sample_command;
    s->is_named = at > 0;
    if (at) {
        memmove(argv + at, argv + at + 1, (size_t)(argc - at) * sizeof *argv);  /* NULL, too */
        argc--;
    }
    const size_t n = list_options(s->command, list);
    for (size_t i = 0; i < n; i++) {
        const int has = !list[i]->value ? no_argument : list[i]->bare ? optional_argument
                                                                      : required_argument;
        options[i] = (struct option){list[i]->name, has, NULL, 256 + (int)i};
        if (list[i]->letter) {
            *l++ = list[i]->letter;
            if (has == required_argument)
                *l++ = ':';
        }
    }
    *l = '\0';
    if (expand_homes(s, argv + 1))
        return s->err.code;
    const char *single = find_single_dash(s->command, list, n, argv + 1);
    if (single)
        return unknown_option(s, list, n, single, 0);
    unsetenv("POSIXLY_CORRECT");    /* options stand behind files, too, as help has them */
    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        if (c == ':' || c == '?')
            return complain(s, c, list, n, argv[optind - 1], argv[optind]);
        size_t i = c >= 256 ? (size_t)c - 256 : 0;
        while (c < 256 && list[i]->letter != c)
            i++;
        if (optarg && !*optarg)
            return empty_value(s, list[i]);
        keep(s, list[i], optarg);
    }
    s->words = argv + optind;
    s->n_words = (size_t)(argc - optind);
    for (size_t i = 0; i < s->n_words; i++)
        if (!*s->words[i])
            return ffcl_bad_usage(s, "an argument is empty (a variable of the shell that is not "
                                  "set?)", "");
    return 0;
}

const char *ffcl_option_text(const ffcl_session *s, const char *name)
{
    for (size_t i = 0; i < s->n_given; i++)
        if (!strcmp(s->given[i].option->name, name))
            return s->given[i].value;
    return NULL;
}

int ffcl_option_number(ffcl_session *s, const char *name, double *value)
{
    const char *text = ffcl_option_text(s, name);
    char *end, sentence[80];
    if (!text)
        return 0;
    const double number = strtod(text, &end);
    if (end == text || *end || !isfinite(number) || number <= 0) {
        snprintf(sentence, sizeof sentence, "--%s must be a number above 0, not", name);
        return ffcl_bad_usage(s, sentence, text);
    }
    *value = number;
    return 0;
}

int ffcl_option_count(ffcl_session *s, const char *name, size_t most, size_t *value)
{
    const char *text = ffcl_option_text(s, name);
    char *end, sentence[80];
    if (!text)
        return 0;
    const unsigned long long number = strtoull(text, &end, 10);
    if (end == text || *end || *text == '-' || number == 0 || number > most) {
        snprintf(sentence, sizeof sentence, "--%s must be a whole number from 1 to %zu, not", name,
                 most);
        return ffcl_bad_usage(s, sentence, text);
    }
    *value = (size_t)number;
    return 0;
}
