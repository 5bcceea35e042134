/* SPDX-License-Identifier: MIT
 * The program ffcl: arguments, printing and the exit code; the work is behind ffcl.h. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ffcl.h"
#include "program/command.h"
#include "program/interrupt.h"
#include "program/profile_table.h"
#include "program/progress.h"
#include "text.h"

static const char help_text[] =
    "ffcl generates images with FreeFlow, a one-step class-conditional image generator, on any\n"
    "OpenCL device.\n"
    "\n"
    "usage: ffcl FILE.ini [section.key=value ...]     generate the images that FILE.ini asks for\n"
    "       ffcl devices                              list the OpenCL devices\n"
    "       ffcl bench [PATTERN]                      time kernels; ffcl bench --help\n"
    "       ffcl bench model [FILE.ini]               time SiT, VAE and the whole step\n"
    "       ffcl verify REF.safetensors [FILE.ini] [section.key=value ...] [--tolerance X]\n"
    "                                                 compare with recorded tensors\n"
    "       ffcl tune [FILE.ini] [section.key=value ...] [--minutes N]\n"
    "                                                 find fast parameters of CLBlast\n"
    "       ffcl keys                                 explain every key of the INI file\n"
    "\n"
    "  -q, --quiet         print warnings and errors only\n"
    "      --profile[=TRACE.json]\n"
    "                      at the end, print where the device's time went, and write a trace for\n"
    "                      chrome://tracing or ui.perfetto.dev (ffcl-trace.json)\n"
    "      --tolerance X   verify: largest relative error, instead of each kind's own\n"
    "      --minutes N     tune: how long to look, instead of 10\n"
    "  -h, --help          print this text\n"
    "      --version       print the version\n"
    "\n"
    "FILE.ini names the weights, the classes, the seed and the outputs; section.key=value\n"
    "overrides one key. Files that are read lie relative to FILE.ini, files that are written\n"
    "relative to the current folder. For example, with the weights that come along:\n"
    "\n"
    "  ffcl config/demo.ini\n"
    "  ffcl config/demo.ini sampler.seed=7 sampler.classes=0-4 output.grid=seven.png\n"
    "\n"
    "exit codes: 0 done, 2 command line, 3 INI key or value, 4 input file missing, 5 input file\n"
    "damaged, 6 weights do not fit, 7 no device, 8 kernel does not build, 9 device memory,\n"
    "10 OpenCL call, 11 not a number in the result, 12 output not written, 13 verify failed,\n"
    "14 host memory, 15 stopped by Ctrl-C, 16 another run has the folder, 17 begun with other\n"
    "settings. Errors are one sentence on stderr; docs/errors.md says what to do.\n";

struct command;

/* The command line, as given; pointers into argv. */
typedef struct arguments {
    const struct command *command;
    const char *ini, *reference;
    char **assignments;         /* the n_assignments overrides, in order */
    size_t n_assignments;
    double tolerance;           /* 0: each kind's own */
    const char *trace;          /* --profile: where its trace goes; NULL: no profile */
    double minutes;             /* 0: not given */
    int quiet;
} arguments;

/* What commands share. */
typedef struct session {
    arguments args;
    ffcl_progress progress;
    ffcl_interrupt interrupt;
    ffcl_error err;
} session;

/* A command of the command line; what it takes beside options and section.key=value. */
typedef struct command {
    const char *name;
    int (*run)(session *s);     /* NULL: the command parses its arguments itself, by own */
    ffcl_command *own;
    int takes_ini, takes_reference, takes_minutes;
} command;

static int run_sampler(session *s), run_devices(session *s), run_verify(session *s),
    run_tune(session *s), run_tune_candidate(session *s), run_keys(session *s),
    run_help(session *s), run_version(session *s);

static const command sample_command = {"run", run_sampler, NULL, 1, 0, 0};
static const command help_command = {"help", run_help, NULL, 0, 0, 0};
static const command version_command = {"version", run_version, NULL, 0, 0, 0};
static const command commands[] = {
    {"devices", run_devices, NULL, 0, 0, 0},
    {"verify", run_verify, NULL, 1, 1, 0},
    {"keys", run_keys, NULL, 0, 0, 0},
    {"bench", NULL, ffcl_bench_command, 0, 0, 0},
    {"tune", run_tune, NULL, 1, 0, 1},
    {"tune-candidate", run_tune_candidate, NULL, 0, 0, 0},      /* by tune, for each candidate */
};

static const command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(name, commands[i].name))
            return &commands[i];
    return NULL;
}

int ffcl_bad_usage(ffcl_error *err, const char *of, const char *sentence,
                   const char *argument)
{
    err->code = FFCL_EUSAGE;
    snprintf(err->text, sizeof err->text, "%s%s%.200s; see ffcl %s%s--help", sentence,
             *argument ? " " : "", argument, of, *of ? " " : "");
    return err->code;
}

static int bad_usage(ffcl_error *err, const char *sentence, const char *argument)
{
    return ffcl_bad_usage(err, "", sentence, argument);
}

static int parse_number(const char *text, double *value, const char *sentence, ffcl_error *err)
{
    char *end;
    *value = strtod(text, &end);
    if (end == text || *end || !isfinite(*value) || *value <= 0)
        return bad_usage(err, sentence, text);
    return 0;
}

static int parse_options(int argc, char **argv, arguments *args, ffcl_error *err)
{
    enum { TOLERANCE = 256, MINUTES, VERSION, PROFILE };
    static const struct option options[] = {
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, VERSION},
        {"tolerance", required_argument, NULL, TOLERANCE},
        {"profile", optional_argument, NULL, PROFILE},
        {"minutes", required_argument, NULL, MINUTES},
        {NULL, 0, NULL, 0},
    };
    int option, rc = 0;
    opterr = 0;
    while (!rc && (option = getopt_long(argc, argv, ":qh", options, NULL)) != -1) {
        /* Within "-xq" getopt is still before the argument, hence the letter. */
        char letter[] = {'-', (char)optopt, '\0'};
        int is_known = optopt == 'q' || optopt == 'h' || optopt == VERSION;
        switch (option) {
        case 'q':
            args->quiet = 1;
            break;
        case 'h':
            args->command = &help_command;
            break;
        case VERSION:
            args->command = args->command ? args->command : &version_command;
            break;
        case PROFILE:
            args->trace = optarg ? optarg : "ffcl-trace.json";
            if (!*args->trace)
                rc = bad_usage(err, "--profile= needs the name of a file", "");
            break;
        case TOLERANCE:
            rc = parse_number(optarg, &args->tolerance,
                              "--tolerance must be a number above 0, not", err);
            break;
        case MINUTES:
            rc = parse_number(optarg, &args->minutes, "--minutes must be a number above 0, not",
                              err);
            break;
        case ':':
            rc = bad_usage(err, optopt == MINUTES ? "--minutes needs a number"
                                                  : "--tolerance needs a number", "");
            break;
        default:
            if (is_known)
                rc = bad_usage(err, "this option takes no value:", argv[optind - 1]);
            else
                rc = bad_usage(err, "unknown option", optopt ? letter : argv[optind - 1]);
        }
    }
    return rc;
}

/* section.key=value, but not a path such as runs/a=b.ini. */
static int is_assignment(const char *argument)
{
    return argument[strcspn(argument, "=/")] == '=';
}

/* Sorts the arguments that are not options into command, files and overrides. */
static int parse_words(int argc, char **argv, arguments *args, ffcl_error *err)
{
    int next = optind;
    if (next == argc)
        return bad_usage(err, "no INI file and no command given", "");
    const command *c = find_command(argv[next]);
    if (c && c->own)            /* as ffcl --profile bench would be */
        return bad_usage(err, "options come after the command:", argv[next]);
    next += c != NULL;
    args->command = c = c ? c : &sample_command;
    args->assignments = argv + argc;
    for (; next < argc; next++) {
        if (!c->takes_ini)
            return bad_usage(err, "this command takes no argument:", argv[next]);
        if (is_assignment(argv[next])) {
            /* Files come first, so that the overrides stand together. */
            args->assignments = argv + next;
            args->n_assignments = (size_t)(argc - next);
            break;
        }
        if (c->takes_reference && !args->reference)
            args->reference = argv[next];
        else if (!args->ini)
            args->ini = argv[next];
        else
            return bad_usage(err, "expected section.key=value instead of", argv[next]);
    }
    for (size_t i = 0; i < args->n_assignments; i++)
        if (!is_assignment(args->assignments[i]))
            return bad_usage(err, "expected section.key=value instead of", args->assignments[i]);
    if (c == &sample_command && !args->ini)
        return bad_usage(err, "an INI file must come before", args->assignments[0]);
    if (c->takes_reference && !args->reference)
        return bad_usage(err, "verify needs a safetensors file of recorded tensors", "");
    if (args->tolerance > 0 && !c->takes_reference)
        return bad_usage(err, "--tolerance is for verify only", "");
    if (args->trace && c != &sample_command)
        return bad_usage(err, "--profile is for sampling only", "");
    if (args->minutes > 0 && !c->takes_minutes)
        return bad_usage(err, "--minutes is for tune only", "");
    return 0;
}

static int open_config(ffcl_config **out, const arguments *args, ffcl_error *err)
{
    int rc = ffcl_config_open(out, args->ini, err);
    for (size_t i = 0; !rc && i < args->n_assignments; i++)
        rc = ffcl_config_set(*out, args->assignments[i], err);
    return rc;
}

/* In the thread that waits for Ctrl-C. */
static void report_stop(void *user)
{
    const ffcl_progress *progress = user;
    if (!progress->quiet)
        fputs("\nffcl: finishing the batch under way; Ctrl-C once more stops at once\n", stderr);
}

/* The table of a run's profile, and its trace. */
static int print_profile(ffcl_sampler *sampler, const arguments *args, ffcl_progress *progress,
                        ffcl_error *err)
{
    ffcl_profile_table table = {0};
    int rc = ffcl_sampler_profile(sampler, ffcl_profile_table_add, &table, err);
    ffcl_progress_end(progress);
    ffcl_profile_table_print(&table, stdout);
    ffcl_profile_table_close(&table);
    if (!rc)
        printf("trace: %s, for chrome://tracing or ui.perfetto.dev\n", args->trace);
    return rc;
}

/* What went wrong, once. */
static void print_error(session *s)
{
    if (!s->err.text[0])
        return;
    ffcl_progress_end(&s->progress);
    ffcl_text_clean(s->err.text, s->err.code == FFCL_EBUILD);
    fprintf(stderr, "ffcl: %s\n", s->err.text);
    s->err.text[0] = '\0';
}

/* Weights are used where they lie in the file: behind its end, if it was cut, there is nothing. */
static void report_bus(int number, siginfo_t *info, void *context)
{
    static const char words[] = "ffcl: a weight file was cut short, or its disk failed, while it "
                                "was used: images that are there are whole, and with the file "
                                "as it was the same command resumes\n";
    (void)context;
    static atomic_flag is_reported = ATOMIC_FLAG_INIT;
    const int is_sent = info->si_code == SI_USER || info->si_code == SI_QUEUE;
    /* Several threads may read behind the end at once: the first ends the process. */
    while (atomic_flag_test_and_set(&is_reported))
        pause();
    if ((!is_sent || info->si_pid == getpid()) &&
        write(STDERR_FILENO, words, sizeof words - 1) >= 0)
        _exit(-FFCL_EFILE);
    signal(number, SIG_DFL);
    raise(number);
}

/* After drivers, whose compilers have a handler of their own, have been loaded. */
static void watch_bus(void)
{
    struct sigaction bus = {.sa_flags = SA_SIGINFO, .sa_sigaction = report_bus};
    sigaction(SIGBUS, &bus, NULL);
}

static int run_sampler(session *s)
{
    ffcl_config *cfg = NULL;
    ffcl_sampler *sampler = NULL;
    ffcl_error *err = &s->err, other = {0};
    size_t rank = 0, size = 1;
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    watch_bus();
    signal(SIGPIPE, SIG_IGN);   /* who reads what is printed may go; the images are wanted */
    /* Before MPI, whose threads would take the signals otherwise. */
    int rc = ffcl_interrupt_watch(&s->interrupt, report_stop, &s->progress, err);
    if (!rc)
        rc = ffcl_ranks_open(&rank, &size, err);
    if (rc)
        return rc;
    if (size > 1)
        ffcl_interrupt_keep(&s->interrupt);
    s->progress.quiet |= rank > 0;
    rc = open_config(&cfg, &s->args, err);
    /* Rank 0 alone: the others would find its lock. */
    if (!rc && rank == 0)
        rc = ffcl_config_check_outputs(cfg, err);
    if (!rc && rank == 0 && s->args.trace)
        rc = ffcl_config_profile(cfg, FFCL_PROFILE_COMMANDS, s->args.trace, err);
    if (!rc)
        rc = ffcl_sampler_open(&sampler, cfg, &observer, err);
    int is_ready = !rc;
    watch_bus();
    ffcl_interrupt_set(&s->interrupt, sampler);
    if (!rc)
        rc = ffcl_sampler_run(sampler, err);
    ffcl_interrupt_set(&s->interrupt, NULL);
    /* Of a run that was stopped or failed, too; its own failure is the one to report. */
    if (is_ready && rank == 0 && s->args.trace) {
        int printed = print_profile(sampler, &s->args, &s->progress, rc ? &other : err);
        rc = rc ? rc : printed;
    }
    ffcl_sampler_close(&sampler);
    ffcl_config_close(&cfg);
    if (!is_ready && size > 1) {
        /* The others are ended without a word, so this is the place for it. */
        print_error(s);
        ffcl_ranks_close(-rc);
    }
    if (rank > 0)
        err->text[0] = '\0';        /* rank 0 has it, and reports it */
    else if (rc)
        print_error(s);             /* mpirun may end this rank as soon as another has ended */
    ffcl_ranks_close(rc == FFCL_ENOMEM ? -rc : 0);
    return rc;
}

static void print_device(void *user, size_t index, const char *title, const char *const *lines)
{
    (void)user;
    printf("%s[%zu] %s\n", index ? "\n" : "", index, title);
    for (; *lines; lines++)
        printf("    %s\n", *lines);
}

/* What verify has found so far. */
typedef struct verify_result {
    ffcl_progress *progress;
    size_t ok, failed;
} verify_result;

static void print_tensor(void *user, const ffcl_verify_line *line)
{
    verify_result *v = user;
    ffcl_progress_end(v->progress);
    v->ok += line->ok > 0;
    v->failed += line->ok == 0;
    printf("%-19s %-11s  %s\n", line->name, line->text ? line->text : "",
           line->ok > 0 ? "ok" : line->ok == 0 ? "FAILED" : "not checked");
    fflush(stdout);
}

static int run_verify(session *s)
{
    ffcl_config *cfg = NULL;
    const arguments *args = &s->args;
    verify_result v = {.progress = &s->progress};
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    int rc = open_config(&cfg, args, &s->err);
    if (!rc)
        rc = ffcl_verify(args->reference, cfg, args->tolerance, &observer, print_tensor, &v,
                         &s->err);
    if (!rc || v.ok || v.failed)
        printf("%zu tensors ok, %zu failed\n", v.ok, v.failed);
    ffcl_config_close(&cfg);
    return rc;
}

static int run_devices(session *s)
{
    return ffcl_devices(print_device, NULL, &s->err);
}

static void print_line(void *user, const char *line)
{
    ffcl_progress_end(user);
    puts(line);
}

static int run_tune(session *s)
{
    const arguments *args = &s->args;
    ffcl_config *cfg = NULL;
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    /* What was found is kept as it is found, so Ctrl-C ends the program there and then. */
    int rc = ffcl_interrupt_watch(&s->interrupt, report_stop, &s->progress, &s->err);
    if (!rc)
        rc = open_config(&cfg, args, &s->err);
    if (!rc)
        rc = ffcl_tune(cfg, args->minutes > 0 ? args->minutes : 10, "/proc/self/exe", &observer,
                       print_line, &s->progress, &s->err);
    ffcl_config_close(&cfg);
    return rc;
}

/* CLBlast and drivers print what compilers say to stdout, where the answer is to stand alone. */
static int run_tune_candidate(session *s)
{
    (void)s;
    int answer = dup(STDOUT_FILENO), nothing = open("/dev/null", O_WRONLY);
    FILE *out = answer >= 0 && nothing >= 0 ? fdopen(answer, "w") : NULL;
    if (!out || dup2(nothing, STDOUT_FILENO) < 0)
        return FFCL_ENOMEM;
    return ffcl_tune_candidate(stdin, out);
}

static int run_keys(session *s)
{
    char *text = NULL;
    int rc = ffcl_config_reference(&text, &s->err);
    if (!rc)
        fputs(text, stdout);
    free(text);
    return rc;
}

static int run_help(session *s)
{
    (void)s;
    fputs(help_text, stdout);
    return 0;
}

static int run_version(session *s)
{
    (void)s;
    puts("ffcl " FFCL_VERSION);
    return 0;
}

/* The place in argv of a command that parses its own arguments, 0 where there is none: it comes
 * first, but for -q. */
static int find_own(int argc, char **argv, int *quiet)
{
    int at = 1;
    *quiet = 0;
    while (at < argc && (!strcmp(argv[at], "-q") || !strcmp(argv[at], "--quiet"))) {
        *quiet = 1;
        at++;
    }
    const command *c = at < argc ? find_command(argv[at]) : NULL;
    return c && c->own ? at : 0;
}

static int dispatch(session *s, int argc, char **argv)
{
    int rc = 0, own = find_own(argc, argv, &s->args.quiet);
    if (!own)
        rc = parse_options(argc, argv, &s->args, &s->err);
    if (!own && !rc && !s->args.command)
        rc = parse_words(argc, argv, &s->args, &s->err);
    ffcl_progress_init(&s->progress, stderr, isatty(STDERR_FILENO), s->args.quiet);
    if (rc)
        return rc;
    if (own)
        return find_command(argv[own])->own(argc - own, argv + own, &s->progress, &s->err);
    return s->args.command->run(s);
}

/* A closed descriptor 0, 1 or 2 would be given to the next file that is opened, and what is printed
 * would go into that.  Limits on files fail the write, as a full disk does, and end nothing. */
static int prepare_process(ffcl_error *err)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd) {
            err->code = FFCL_EFILE;
            snprintf(err->text, sizeof err->text, "descriptor %d is closed, and /dev/null cannot "
                     "be opened in its place", fd);
            return err->code;
        }
    signal(SIGXFSZ, SIG_IGN);
    return 0;
}

int main(int argc, char **argv)
{
    session s = {0};
    int rc = prepare_process(&s.err);
    if (!rc)
        rc = dispatch(&s, argc, argv);

    ffcl_progress_end(&s.progress);
    errno = 0;
    if ((fflush(stdout) || ferror(stdout)) && !rc) {
        rc = FFCL_EOUTPUT;
        snprintf(s.err.text, sizeof s.err.text, "cannot write to stdout: %s",
                 errno ? strerror(errno) : "an earlier write failed");
    }
    if (rc)
        print_error(&s);
    return -rc;
}
