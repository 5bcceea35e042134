/* SPDX-License-Identifier: MIT
 * ffcl convert: weights of any file that is read, as safetensors. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "files/atomic.h"
#include "files/convert.h"
#include "files/input.h"
#include "model/vae.h"
#include "program/inspect.h"
#include "util.h"

static void report_bytes(void *user, uint64_t done, uint64_t total)
{
    ffcl_progress_report(user, FFCL_PHASE_CONVERT, NULL, done, total);
}

static void report_stop(void *user)
{
    (void)user;
}

static int fail(ffcl_session *s, int code, const char *path, const char *sentence)
{
    s->err.code = code;
    snprintf(s->err.text, sizeof s->err.text, "%.500s %s", path, sentence);
    return code;
}

static int is_safetensors(const char *path)
{
    const size_t n = strlen(path);
    return n > 12 && !strcasecmp(path + n - 12, ".safetensors");
}

/* What others call the types. */
static int is_no_dtype(ffcl_session *s, const char *dtype)
{
    static const char *const elsewhere[][2] = {
        {"fp16", "half"}, {"f16", "half"}, {"float16", "half"}, {"16", "half"},
        {"bf16", "bfloat16"}, {"fp32", "float32"}, {"f32", "float32"}, {"float", "float32"},
        {"single", "float32"}, {"32", "float32"},
    };
    char sentence[160];
    const char *meant = NULL;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (!strcasecmp(dtype, elsewhere[i][0]))
            meant = elsewhere[i][1];
    snprintf(sentence, sizeof sentence, "--dtype must be half, bfloat16 or float32, not "
             "%.40s%s%s%s", dtype,
             meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
    return ffcl_bad_usage(s, sentence, "");
}

/* What the command line asks for. */
static int take_words(ffcl_session *s, const char **in, ffcl_convert_spec *spec)
{
    const char *dtype = ffcl_option_text(s, "dtype");
    if (s->n_words != 2)
        return ffcl_bad_usage(s, "convert takes two files, IN and OUT.safetensors", "");
    *in = s->words[0];
    spec->path = s->words[1];
    spec->has_dtype = dtype != NULL;
    if (dtype && ffcl_convert_dtype(dtype, &spec->dtype))
        return is_no_dtype(s, dtype);
    if (!is_safetensors(spec->path))
        return ffcl_bad_usage(s, "convert writes safetensors, so name the file X.safetensors, not",
                              spec->path);
    if (!ffcl_input_is_absent(spec->path) && !ffcl_option_text(s, "overwrite"))
        return fail(s, FFCL_EOUTPUT, spec->path, "is there: choose another name, or --overwrite "
                    "replaces it");
    return 0;
}

static int write_text(const char *path, const char *text, ffcl_error *err)
{
    ffcl_atomic_file out = {0};
    int rc = ffcl_atomic_open(&out, path, err);
    if (rc == 0)
        rc = ffcl_atomic_write(&out, text, strlen(text), err);
    if (rc == 0)
        rc = ffcl_atomic_commit(&out, err);
    ffcl_atomic_discard(&out);
    return rc;
}

/* A VAE's config.json goes with it: where the new file would find another one or none, it gets one
 * of its own name.  The weights are in place by then.  *copy is NULL where none was needed. */
static int carry_config(ffcl_session *s, const char *in, const char *out, char **copy)
{
    char *config = NULL, *text = NULL, *other = NULL, *found = NULL;
    const int stem = (int)(strlen(out) - strlen(".safetensors"));
    *copy = NULL;
    int rc = ffcl_vae_find_config(in, &config, &text, &s->err);
    if (rc == 0 && text)
        rc = ffcl_vae_find_config(out, &other, &found, &s->err);
    if (rc == 0 && text && (!found || strcmp(text, found))) {
        *copy = ffcl_format("%.*s.config.json", stem, out);
        rc = *copy ? 0 : FFCL_ENOMEM;
        if (rc == 0 && !ffcl_input_is_absent(*copy) && !ffcl_option_text(s, "overwrite"))
            rc = fail(s, FFCL_EOUTPUT, *copy, "is there, and another than that of the VAE: "
                      "--overwrite replaces it");
        if (rc == 0)
            rc = write_text(*copy, text, &s->err);
    }
    free(config);
    free(text);
    free(other);
    free(found);
    return rc;
}

static int is_vae(const char *path, const char *wrapper)
{
    ffcl_vae *vae = NULL;
    ffcl_error ignored;
    const int rc = ffcl_vae_open(&vae, path, &(ffcl_vae_options){.wrapper = wrapper}, &ignored);
    ffcl_vae_close(&vae);
    return rc == 0;
}

static void print_result(const ffcl_session *s, const char *in, const ffcl_tensor_file *file,
                         const ffcl_convert_spec *spec, const ffcl_convert_result *r)
{
    const ffcl_findings lines = {.json = NULL};
    const char *taken = ffcl_tensor_file_taken(file);
    if (r->passed_over)
        ffcl_help_line(s->progress.out, 4, "ffcl: warning: passed over %zu tensor%s of %s: %s",
                       r->passed_over, ffcl_plural(r->passed_over), in, r->passed_names);
    if (r->not_finite)
        ffcl_help_line(s->progress.out, 4, "ffcl: warning: %s has %zu value%s that %s not finite, "
                       "and so has the new file (tensor %s)", in, r->not_finite,
                       ffcl_plural(r->not_finite), r->not_finite == 1 ? "is" : "are",
                       r->not_finite_name);
    if (s->progress.quiet)
        return;
    if (taken)
        ffcl_help_line(stdout, 13, "%-12s %s", "taken", taken);
    if (r->narrowed)
        ffcl_help_line(stdout, 13, "%-12s %zu tensor%s of float64 became float32, as ffcl reads "
                       "them", "narrowed", r->narrowed, ffcl_plural(r->narrowed));
    if (r->small)
        ffcl_help_line(stdout, 13, "%-12s %zu value%s below the type's least normal number lost "
                       "digits; %zu of them became 0", "small", r->small, ffcl_plural(r->small),
                       r->vanished);
    ffcl_error ignored;         /* the file is there; what it is, inspect says again */
    ffcl_inspect_model(&lines, spec->path, "auto", &ignored);
    ffcl_help_line(stdout, 4, "wrote %s: %zu tensor%s, %.1f MB", spec->path, r->tensors,
                   ffcl_plural(r->tensors), (double)r->bytes / 1e6);
}

static int run_convert(ffcl_session *s)
{
    const char *in = NULL, *wrapper = ffcl_option_text(s, "wrapper");
    ffcl_tensor_file *file = NULL;
    ffcl_convert_spec spec = {.stop = &s->interrupt.stop, .report = report_bytes,
                              .user = &s->progress};
    ffcl_convert_result result;
    char *config = NULL;
    wrapper = wrapper ? wrapper : "auto";
    int rc = take_words(s, &in, &spec);
    signal(SIGPIPE, SIG_IGN);   /* who reads the progress may go; the file is wanted */
    s->interrupt.is_polled = 1;
    if (rc == 0)
        rc = ffcl_interrupt_watch(&s->interrupt, report_stop, NULL, &s->err);
    if (rc == 0)
        rc = ffcl_inspect_open(&file, in, wrapper, &s->err);
    if (rc == 0)
        rc = ffcl_convert(file, &spec, &result, &s->err);
    if (rc == 0 && is_vae(in, wrapper))
        rc = carry_config(s, in, spec.path, &config);
    ffcl_progress_end(&s->progress);
    if (rc == 0)
        print_result(s, in, file, &spec, &result);
    if (rc == 0 && config && !s->progress.quiet)
        ffcl_help_line(stdout, 4, "wrote %s, the VAE's configuration", config);
    ffcl_tensor_file_close(&file);
    free(config);
    return rc;
}

static const ffcl_option options[] = {
    {"dtype", 0, "TYPE", "half, bfloat16 or float32 for all floating-point tensors; else each "
     "keeps its type", NULL},
    {"wrapper", 0, "NAME", "the dictionary of a torch file that holds the weights, as [model] "
     "wrapper (auto)", NULL},
    {"overwrite", 0, NULL, "replace a file that is there", NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_convert_command = {
    .name = "convert", .summary = "write a checkpoint or VAE as safetensors",
    .usage = "convert IN OUT.safetensors [--dtype TYPE]\n", .options = options,
    .help = "IN is any file of weights that ffcl reads. With the same types, images of the\n"
            "new file are the same bytes. Tensors keep the names that they have inside the\n"
            "dictionary that is taken; what cannot be read is passed over and named. Of\n"
            "safetensors the metadata is kept; a VAE's config.json goes with it.\n",
    .run = run_convert,
};
