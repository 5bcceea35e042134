/* SPDX-License-Identifier: MIT
 * The commands of the program.  Each is a row: what it is called, what it takes, its help, its
 * function; commands.c has the table, and one file has each row.  Help, man pages and completion
 * are made from the rows. */
#ifndef FFCL_PROGRAM_COMMAND_H
#define FFCL_PROGRAM_COMMAND_H

#include "program/interrupt.h"
#include "program/lines.h"
#include "program/progress.h"

/* The program itself, for work in a process of its own. */
#define FFCL_OWN_PROGRAM "/proc/self/exe"

/* Options of one command, with those of all commands. */
enum { FFCL_OPTIONS_MOST = 40 };

/* An option: --name, or -letter where there is one. */
typedef struct ffcl_option {
    const char *name;
    char letter;                /* 0: none */
    const char *value;          /* what help calls its value, "FILE"; NULL: it takes none */
    const char *help;           /* one sentence without a full stop; help wraps it */
    const char *bare;           /* the value of a bare --name; NULL: the value must be given */
} ffcl_option;

typedef struct ffcl_session ffcl_session;

/* A command: a row of the table. */
typedef struct ffcl_command {
    const char *name;
    const char *summary;        /* what it does, in at most 60 characters */
    const char *usage;          /* what follows "ffcl ", a line each; its lines end in \n */
    const ffcl_option *options; /* its own, up to one without a name; NULL: none */
    const char *help;           /* what follows the options: lines of at most 79 columns, or "" */
    /* Prints its results to stdout, progress through s->progress; returns 0 or an ffcl_status with
     * its sentence in s->err, which main.c prints. */
    int (*run)(ffcl_session *s);
    int is_hidden;              /* for ffcl itself, not for people */
} ffcl_command;

/* What was given on the command line, and what the commands share. */
struct ffcl_session {
    const ffcl_command *command;
    int is_named;               /* and not sample by default */
    struct ffcl_given {
        const ffcl_option *option;
        const char *value;      /* "" where the option takes none */
    } given[FFCL_OPTIONS_MOST]; /* (n_given) the last of each */
    size_t n_given;
    char **words;               /* (n_words) the arguments that are no options, in order */
    size_t n_words;
    ffcl_progress progress;
    ffcl_interrupt interrupt;
    ffcl_error err;
};

/* commands.c: the table, up to NULL, and the rows in it. */
extern const ffcl_command *const ffcl_commands[];
extern const ffcl_command ffcl_sample_command, ffcl_init_command, ffcl_inspect_command,
    ffcl_convert_command, ffcl_classes_command,
    ffcl_devices_command, ffcl_bench_command, ffcl_report_command,
    ffcl_verify_command, ffcl_tune_command, ffcl_tune_candidate_command, ffcl_keys_command,
    ffcl_presets_command, ffcl_selfcheck_command, ffcl_unit_trial_command, ffcl_help_command,
    ffcl_version_command, ffcl_eval_command;

/* The command of that name, NULL where there is none. */
const ffcl_command *ffcl_command_find(const char *name);

/* The name of a command that was likely meant, NULL where none is near. */
const char *ffcl_command_nearest(const char *name);

/* elsewhere.c: what a word or an option (with its - or --) of other programs is here: the name of a
 * command; a hint that suits the command.  NULL where it is no such word. */
const char *ffcl_command_elsewhere(const char *name);
const char *ffcl_option_elsewhere(const ffcl_command *c, const char *option);

/* options.c: fills command, given, words from the command line.  FFCL_EUSAGE. */
int ffcl_options_parse(ffcl_session *s, int argc, char **argv);

/* The options that every command takes, up to one without a name. */
extern const ffcl_option ffcl_common_options[];

/* Of commands that read what may be hostile and then call ffcl_sandbox where it is given. */
#define FFCL_OPTION_SANDBOX                                                                     \
    {"sandbox", 0, NULL, "before weights are read, give up all files but those that are needed "  \
     "(Linux with Landlock; see SECURITY.md)", NULL}

/* The value of --name, "" where it takes none; NULL where it was not given. */
const char *ffcl_option_text(const ffcl_session *s, const char *name);

/* The number above 0 of --name in *value, which stays where it was not given.  FFCL_EUSAGE. */
int ffcl_option_number(ffcl_session *s, const char *name, double *value);

/* Likewise a whole number from 1 to most. */
int ffcl_option_count(ffcl_session *s, const char *name, size_t most, size_t *value);

/* arguments.c: words as a command takes them.  section.key=value, but not a path such as
 * runs/a=b.ini: */
int ffcl_is_assignment(const char *word);

/* Whether a word ends as the name of a file of weights does. */
int ffcl_names_weights(const char *word);

/* At most most files, in files[], NULL those that were not given; then the assignments, which are
 * *n from *first.  FFCL_EUSAGE. */
int ffcl_take_files(ffcl_session *s, const char **files, size_t most, size_t *first, size_t *n);

/* For a process that answers on stdout: calls work with stdin and an `out` that nobody else writes
 * to, as CLBlast and drivers print what compilers say to stdout, too.  No words are taken. */
int ffcl_answer_by(ffcl_session *s, int (*work)(FILE *in, FILE *out));

/* No words at all.  FFCL_EUSAGE. */
int ffcl_take_nothing(ffcl_session *s);

/* The configuration of the INI file (NULL: all defaults) with assignments n from first. */
int ffcl_open_config(ffcl_session *s, ffcl_config **out, const char *ini, size_t first, size_t n);

/* The configuration that [FILE.ini] [section.key=value ...] say. */
int ffcl_take_config(ffcl_session *s, ffcl_config **out);

/* Fails with FFCL_EUSAGE: "SENTENCE ARGUMENT; see ffcl COMMAND --help". */
int ffcl_bad_usage(ffcl_session *s, const char *sentence, const char *argument);

/* eval_command.c: the numbers of an evaluation, to stdout. */
void ffcl_evaluation_print(const ffcl_evaluation *evaluation);
/* Its numbers in one line, the last of a run. */
void ffcl_evaluation_print_line(const ffcl_evaluation *evaluation);

/* help.c: the exit codes, a paragraph; the list of all commands; all of one. */
extern const char ffcl_help_exit_codes[];
void ffcl_help_print(FILE *out);
void ffcl_help_print_command(FILE *out, const ffcl_command *command);

#endif
