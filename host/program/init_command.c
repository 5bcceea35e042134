/* SPDX-License-Identifier: MIT
 * ffcl init: an INI file to begin with. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config_presets.h"
#include "config_table.h"
#include "files/atomic.h"
#include "files/ending.h"
#include "files/input.h"
#include "model/family.h"
#include "model/sit.h"
#include "os/paths.h"
#include "program/command.h"
#include "text.h"
#include "util.h"

enum { MOST_VALUES = 8 };

/* What the checkpoint says: whether heads must be given, and its file as seen from the INI file. */
typedef struct checkpoint_facts {
    char note[300], open[1000];     /* what it is; what must be decided, "" for nothing */
    int needs_heads;
    int has_vae;                    /* its preset says what the VAE is, or will when it is set */
    size_t classes;
} checkpoint_facts;

/* The path as the INI file, which may lie elsewhere, has to name it; the caller's to free. */
static char *path_from(const char *ini, const char *path)
{
    char *whole = strchr(ini, '/') && !ffcl_path_is_absolute(path) ? realpath(path, NULL) : NULL;
    return whole ? whole : ffcl_format("%s", path);
}

/* A key must be set, as the sentence says: that is for whoever edits the file. */
static void leave_open(ffcl_session *s, checkpoint_facts *facts)
{
    const size_t used = strlen(facts->open);
    snprintf(facts->open + used, sizeof facts->open - used, "%s%.490s", used ? "\n" : "",
             s->err.text);
    s->err = (ffcl_error){0};
}

/* Opens the checkpoint far enough to know what it is. */
static int look_at_checkpoint(ffcl_session *s, const char *path, checkpoint_facts *facts)
{
    ffcl_config *cfg = NULL;
    ffcl_sit *sit = NULL;
    const ffcl_sit_hints none = {0};
    char *assignment = ffcl_format("model.checkpoint=%s", path);
    int rc = assignment ? ffcl_config_open(&cfg, NULL, &s->err)
                        : ffcl_fail(&s->err, FFCL_ENOMEM, "out of memory for %s", path);
    if (!rc)
        rc = ffcl_config_set(cfg, assignment, &s->err);
    if (!rc && ffcl_family_resolve(cfg, 0, &s->err) == FFCL_ECONFIG) {
        leave_open(s, facts);
    } else if (!rc) {
        rc = s->err.code;
    }
    if (!rc)
        rc = ffcl_sit_open(&sit, cfg, &none, &s->err);
    if (rc == FFCL_ECONFIG) {               /* all is right but for the heads, or other keys */
        ffcl_error again = {0};
        facts->needs_heads = ffcl_sit_open(&sit, cfg, &(ffcl_sit_hints){.heads = 1}, &again) == 0;
        leave_open(s, facts);
        rc = 0;
    }
    if (!rc && sit) {
        const ffcl_sit_dims *d = ffcl_sit_dims_of(sit);
        snprintf(facts->note, sizeof facts->note, "%.80s: %zu blocks of width %zu, patches of %zu, "
                 "%zu classes, latents of %zu x %zu x %zu", path, d->L, d->D, d->p, d->classes,
                 d->C, d->R, d->R);
        facts->classes = d->classes;
    }
    if (!rc)
        facts->has_vae = cfg->model.preset == FFCL_PRESET_AUTO ||
                         cfg->origin[ffcl_config_find("vae", "weights") - ffcl_config_rows] ==
                         FFCL_BY_PRESET || !strcmp(cfg->vae.weights, path);
    ffcl_sit_close(&sit);
    ffcl_config_close(&cfg);
    free(assignment);
    return rc;
}

/* The first lines, comments: names in them have no line ends.  NULL when memory is short. */
static char *make_head(const char *file, char *note)
{
    char *shown = ffcl_format("%s", file), *head = NULL;
    if (shown)
        ffcl_text_clean(shown, 0);
    ffcl_text_clean(note, 0);
    if (shown)
        head = ffcl_format("; Made by ffcl init; run it by: ffcl %s\n%s%s%s; Keys behind a ; have "
                           "their defaults. ffcl keys explains them.\n", shown, *note ? "; " : "",
                           note, *note ? "\n" : "");
    free(shown);
    return head;
}

/* The file appears only where there is none, and whole or not at all. */
static int write_new(ffcl_session *s, const char *path, const char *head, const char *body)
{
    ffcl_atomic_file out = {0};
    struct stat st;
    if (!ffcl_option_text(s, "overwrite") && lstat(path, &st) == 0)
        return ffcl_fail(&s->err, FFCL_EOUTPUT, "%.500s is there: choose another name, or "
                         "--overwrite replaces it", path);
    int rc = ffcl_atomic_open(&out, path, &s->err);
    if (rc == 0)
        rc = ffcl_atomic_write(&out, head, strlen(head), &s->err);
    if (rc == 0)
        rc = ffcl_atomic_write(&out, body, strlen(body), &s->err);
    if (rc == 0)
        rc = ffcl_atomic_commit(&out, &s->err);
    ffcl_atomic_discard(&out);
    return rc;
}

/* Whether a path of the INI file names nothing: it is looked up from the file's folder. */
static int is_absent(const char *file, const char *path)
{
    char *folder = ffcl_path_dir(file), *whole = folder ? ffcl_path_join(folder, path) : NULL;
    const int is = whole && ffcl_input_is_absent(whole);
    free(folder);
    free(whole);
    return is;
}

static void print_missing(const char *path, const char *section, const char *hint)
{
    ffcl_help_line(stdout, 0, "%s is not there: put it there, or name another under [%s]%s", path,
                   section, hint);
}

/* What must be done before the file runs, and the command that runs it. */
static void print_next(const char *file, const char *checkpoint, const char *vae,
                       const checkpoint_facts *facts)
{
    const int lacks_model = is_absent(file, checkpoint);
    const int lacks_vae = vae && is_absent(file, vae);
    const int is_ready = !lacks_model && !lacks_vae && !*facts->open;
    ffcl_help_line(stdout, 0, "wrote %s; %s", file, is_ready ? "next:" : "before it runs:");
    if (lacks_model)
        print_missing(checkpoint, "model", " (ffcl presets says where weights are)");
    for (const char *at = facts->open; *at; at += *at == '\n') {
        const int n = (int)strcspn(at, "\n");
        ffcl_help_line(stdout, 0, "%.*s", n, at);
        at += n;
    }
    if (lacks_vae)
        print_missing(vae, "vae", strstr(vae, "sd-vae-ft-ema")
                                      ? " (it is huggingface.co/stabilityai/sd-vae-ft-ema)" : "");
    ffcl_help_line(stdout, 0, "%sffcl %s", is_ready ? "" : "then: ", file);
}

/* ffcl init X.pt is meant otherwise, and --overwrite would replace the checkpoint. */
static int check_name(ffcl_session *s, const char *file)
{
    char sentence[700];
    if (ffcl_names_weights(file)) {
        snprintf(sentence, sizeof sentence, "%.200s would be the INI file; an INI file for those "
                 "weights: ffcl init my.ini --checkpoint %.200s", file, file);
        return ffcl_bad_usage(s, sentence, "");
    }
    return ffcl_check_ending("init", file, ".ini", "an INI file", FFCL_EUSAGE, &s->err);
}

static int run_init(ffcl_session *s)
{
    static const char *const usual[] = {"FreeFlow-XL-2-256.pt",
                                        "sd-vae-ft-ema/diffusion_pytorch_model.safetensors"};
    const char *file, *checkpoint = ffcl_option_text(s, "checkpoint");
    const char *vae = ffcl_option_text(s, "vae");
    size_t first, n, k = 0;
    ffcl_template_value values[MOST_VALUES] = {{NULL, NULL, NULL}};
    checkpoint_facts facts = {.note = "", .open = ""};
    char *body = NULL, *head = NULL, *paths[2] = {NULL, NULL};
    int rc = ffcl_take_files(s, &file, 1, &first, &n);
    if (!rc && n)
        rc = ffcl_bad_usage(s, "init takes no section.key=value:", s->words[first]);
    signal(SIGPIPE, SIG_IGN);   /* who reads what is said may go; the file is wanted */
    if (!rc)
        rc = ffcl_interrupt_part(&s->interrupt, s->progress.quiet ? NULL :
                                 "\nffcl: stopped: no INI file was written\n", &s->err);
    file = file ? file : "ffcl.ini";
    if (!rc)
        rc = check_name(s, file);
    if (!rc && checkpoint)
        rc = look_at_checkpoint(s, checkpoint, &facts);
    paths[0] = path_from(file, checkpoint ? checkpoint : usual[0]);
    paths[1] = path_from(file, vae ? vae : usual[1]);
    values[k++] = (ffcl_template_value){"model", "checkpoint", paths[0]};
    if (facts.needs_heads)
        values[k++] = (ffcl_template_value){"model", "heads", "auto"};
    if (vae || !facts.has_vae)
        values[k++] = (ffcl_template_value){"vae", "weights", paths[1]};
    values[k++] = (ffcl_template_value){"sampler", "seed", "0"};
    values[k++] = (ffcl_template_value){"sampler", "classes",
                                        !checkpoint ? "207, 360, 387, 974, 88, 979, 417, 279"
                                        : facts.classes && facts.classes < 8 ? "0" : "0-7"};
    values[k++] = (ffcl_template_value){"output", "grid", "sample.png"};
    if (!rc)
        rc = ffcl_config_template(&body, values, 1, &s->err);
    if (!rc)
        head = make_head(file, facts.note);
    if (!rc)
        rc = head ? write_new(s, file, head, body)
                  : ffcl_fail(&s->err, FFCL_ENOMEM, "out of memory for %s", file);
    if (!rc)
        print_next(file, paths[0], vae || !facts.has_vae ? paths[1] : NULL, &facts);
    free(body);
    free(head);
    free(paths[0]);
    free(paths[1]);
    return rc;
}

static const ffcl_option options[] = {
    {"checkpoint", 0, "FILE", "the transformer that the file is for; it is looked at", NULL},
    {"vae", 0, "FILE", "the weights of the VAE", NULL},
    {"overwrite", 0, NULL, "replace a file that is there", NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_init_command = {
    .name = "init", .summary = "write an INI file to begin with",
    .usage = "init [FILE.ini] [--checkpoint X.pt] [--vae X.safetensors]\n",
    .options = options,
    .help = "FILE.ini is ffcl.ini where none is named. It holds every key with what it\n"
            "means; those that are not needed stand behind a semicolon.\n",
    .run = run_init,
};
