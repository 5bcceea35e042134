/* SPDX-License-Identifier: MIT
 * The words of a command line: files, then section.key=value. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_table.h"
#include "program/command.h"

int ffcl_is_assignment(const char *word)
{
    return word[strcspn(word, "=/")] == '=';
}

static int ends_in(const char *word, const char *ending)
{
    const size_t length = strlen(word), n = strlen(ending);
    return length > n && !strcmp(word + length - n, ending);
}

int ffcl_names_weights(const char *word)
{
    static const char *const endings[] = {".pt", ".pth", ".safetensors", ".ckpt", ".bin"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_in(word, endings[i]))
            return 1;
    return 0;
}

/* What ends as a file of ours, where section.key=value should stand: how it is named; NULL where it
 * is none. */
static const char *name_of_file(const ffcl_session *s, const char *word)
{
    const int is_sample = s->command == &ffcl_sample_command;
    if (ffcl_names_weights(word))
        return "a checkpoint is a key: model.checkpoint=";
    if (is_sample && ends_in(word, ".png"))
        return "the grid is an option: -o ";
    if (is_sample && ends_in(word, ".npz"))
        return "an npz is a key: output.npz=";
    if (is_sample && ends_in(word, ".json") && ffcl_option_text(s, "json"))
        return "--json prints on stdout: --json > ";
    if (s->command == &ffcl_eval_command && !ffcl_option_text(s, "reference"))
        return "eval takes one set of samples, and what they are compared with is an option: "
               "--reference ";
    return NULL;
}

/* The key that "seed" (of "seed 3"), "sampler.seed:3" and "seed:3" mean; NULL: none. */
static const ffcl_config_row *key_without_sign(const char *word)
{
    const size_t n = strcspn(word, ":");
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        const size_t section = strlen(row->section), key = strlen(row->key);
        if ((n == key && !strncmp(word, row->key, n)) ||
            (n == section + 1 + key && word[section] == '.' &&
             !strncmp(word, row->section, section) && !strncmp(word + section + 1, row->key, key)))
            return row;
    }
    return NULL;
}

/* A word where section.key=value should stand: why it does not. */
static int is_no_assignment(ffcl_session *s, const char *word, const char *ini)
{
    char sentence[300], name[64];
    const char *dot = strchr(word, '.'), *how = name_of_file(s, word);
    const size_t length = strlen(word);
    if (ini && ends_in(word, ".ini")) {
        snprintf(sentence, sizeof sentence, "one INI file a run, and not after %.80s also", ini);
        return ffcl_bad_usage(s, sentence, word);
    }
    if (ends_in(word, ".ini")) {
        snprintf(sentence, sizeof sentence, "%.80s stands after %.80s, and the INI file comes "
                 "before the keys", word, s->words[0]);
        return ffcl_bad_usage(s, sentence, "");
    }
    if (how) {
        snprintf(sentence, sizeof sentence, "%.80s is not of the form section.key=value; %s%.80s",
                 word, how, word);
        return ffcl_bad_usage(s, sentence, "");
    }
    if (dot && length < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)(dot - word), word);
        if (ffcl_config_find(name, dot + 1)) {
            snprintf(sentence, sizeof sentence, "%s has no value: write %s=VALUE, without blanks "
                     "around =", word, word);
            return ffcl_bad_usage(s, sentence, "");
        }
    }
    const ffcl_config_row *row = key_without_sign(word);
    if (row) {
        const char *colon = strchr(word, ':');
        snprintf(sentence, sizeof sentence, "%.80s is not of the form section.key=value; did you "
                 "mean %s.%s=%.80s?", word, row->section, row->key, colon ? colon + 1 : "VALUE");
        return ffcl_bad_usage(s, sentence, "");
    }
    return ffcl_bad_usage(s, "expected section.key=value instead of", word);
}

int ffcl_take_files(ffcl_session *s, const char **files, size_t most, size_t *first, size_t *n)
{
    size_t at = 0;
    for (size_t i = 0; i < most; i++)
        files[i] = NULL;
    while (at < s->n_words && at < most && !ffcl_is_assignment(s->words[at])) {
        files[at] = s->words[at];
        at++;
    }
    *first = at;
    *n = s->n_words - at;
    /* Files come first, so that the overrides stand together. */
    for (; at < s->n_words; at++)
        if (!ffcl_is_assignment(s->words[at]))
            return is_no_assignment(s, s->words[at], most ? files[0] : NULL);
    return 0;
}

int ffcl_take_nothing(ffcl_session *s)
{
    if (!s->n_words)
        return 0;
    return ffcl_bad_usage(s, "this command takes no argument:", s->words[0]);
}

int ffcl_take_config(ffcl_session *s, ffcl_config **out)
{
    const char *ini;
    size_t first, n;
    *out = NULL;
    int rc = ffcl_take_files(s, &ini, 1, &first, &n);
    return rc ? rc : ffcl_open_config(s, out, ini, first, n);
}

/* A checkpoint in place of the INI file that would name it, or what a run has made. */
static int is_no_ini(ffcl_session *s, const char *ini)
{
    if (ini && (ends_in(ini, ".png") || ends_in(ini, ".npz")))
        return ffcl_fail(&s->err, FFCL_EUSAGE, "%s holds images, and ffcl takes the INI file that "
                         "asks for them: ffcl inspect %s says what they were made with", ini, ini);
    return ini && ffcl_names_weights(ini)
               ? ffcl_fail(&s->err, FFCL_EUSAGE, "%s holds weights, and ffcl takes the INI file "
                           "that names them: ffcl init my.ini --checkpoint %s writes one", ini, ini)
               : FFCL_ECONFIG;
}

int ffcl_open_config(ffcl_session *s, ffcl_config **out, const char *ini, size_t first, size_t n)
{
    static const char names[] = "sampler.class_names=";
    int rc = ffcl_config_open(out, ini, &s->err);
    if (rc == FFCL_ECONFIG)
        rc = is_no_ini(s, ini);
    /* The names of classes come before what may use them. */
    for (size_t k = 0; !rc && k < 2 * n; k++) {
        const char *word = s->words[first + k % n];
        if (!strncmp(word, names, sizeof names - 1) == (k < n))
            rc = ffcl_config_set(*out, word, &s->err);
    }
    return rc ? rc : ffcl_config_trials(*out, FFCL_OWN_PROGRAM, &s->err);
}

int ffcl_answer_by(ffcl_session *s, int (*work)(FILE *in, FILE *out))
{
    int rc = ffcl_take_nothing(s);
    if (rc)
        return rc;
    int answer = dup(STDOUT_FILENO), nothing = open("/dev/null", O_WRONLY);
    FILE *out = answer >= 0 && nothing >= 0 ? fdopen(answer, "w") : NULL;
    if (!out || dup2(nothing, STDOUT_FILENO) < 0)
        return FFCL_ENOMEM;
    return work(stdin, out);
}
