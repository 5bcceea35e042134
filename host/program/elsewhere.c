/* SPDX-License-Identifier: MIT
 * What other programs call ffcl's commands and options: diffusers' scripts, stable-diffusion.cpp,
 * ffmpeg, curl, llama-bench, clpeak, hashcat. */
#include <string.h>

#include "program/command.h"

static const char *const commands[][2] = {
    {"run", "sample"}, {"generate", "sample"}, {"gen", "sample"}, {"txt2img", "sample"},
    {"info", "inspect"}, {"show", "inspect"},
    {"list", "devices"}, {"list-devices", "devices"}, {"gpu", "devices"}, {"gpus", "devices"},
    {"clinfo", "devices"}, {"labels", "classes"}, {"names", "classes"},
    {"fid", "eval"}, {"evaluate", "eval"}, {"metrics", "eval"}, {"compare", "eval"},
    {"benchmark", "bench"}, {"perf", "bench"}, {"profile", "bench"}, {"models", "presets"},
    {"template", "init"}, {"new", "init"}, {"config", "keys"}, {"options", "keys"},
    {"quantize", "convert"}, {"export", "convert"}, {"autotune", "tune"}, {"test", "selfcheck"},
    {"man", "help"}, {"usage", "help"},
};

const char *ffcl_command_elsewhere(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(name, commands[i][0]))
            return commands[i][1];
    return NULL;
}

#define FILE_STANDS_ALONE "the INI file is named without an option: ffcl FILE.ini"
#define NO_TEXTS "images are of classes, not of texts: sampler.classes=VALUE, and ffcl classes " \
    "lists their names"
#define SIZE_OF_MODEL "the size of the images is that of the checkpoint"
#define REPLACES "--overwrite replaces what is there"
#define LISTS_DEVICES "ffcl devices lists them"
#define TIMES "ffcl bench times kernels and models"
#define DEVICE_OF_KEY "this is a key, device.select=VALUE"
#define ONE_DTYPE "--dtype half, bfloat16 or float32"

/* Of a command, or of all where it is NULL; those of a command come before those of all.  A hint
 * that speaks of an option is for commands that have it, and one that speaks of a key for those
 * that take keys. */
static const struct {
    const char *command, *option, *hint;
} options[] = {
    {"sample", "-i", FILE_STANDS_ALONE}, {"sample", "--input", FILE_STANDS_ALONE},
    {"sample", "--ini", FILE_STANDS_ALONE}, {"sample", "--config", FILE_STANDS_ALONE},
    {"sample", "--config-file", FILE_STANDS_ALONE},
    {"sample", "-p", NO_TEXTS}, {"sample", "--prompt", NO_TEXTS},
    {"sample", "--negative-prompt", NO_TEXTS},
    {"sample", "-W", SIZE_OF_MODEL}, {"sample", "--width", SIZE_OF_MODEL},
    {"sample", "-H", SIZE_OF_MODEL}, {"sample", "--height", SIZE_OF_MODEL},
    {"sample", "--size", SIZE_OF_MODEL}, {"sample", "--resolution", SIZE_OF_MODEL},
    {"sample", "--image-size", SIZE_OF_MODEL},
    {"sample", "-L", LISTS_DEVICES}, {"sample", "-l", LISTS_DEVICES},
    {"sample", "-I", LISTS_DEVICES}, {"sample", "--list", LISTS_DEVICES},
    {"sample", "--list-devices", LISTS_DEVICES}, {"sample", "--devices", LISTS_DEVICES},
    {"sample", "--list-gpus", LISTS_DEVICES},
    {"sample", "--bench", TIMES}, {"sample", "--benchmark", TIMES},
    {"sample", "--info", "ffcl inspect FILE says what a file is, and ffcl devices what there is"},
    {"sample", "--keys", "ffcl keys explains them"},
    {"sample", "--presets", "ffcl presets lists them"},
    {"sample", "--eval", "ffcl eval SAMPLES evaluates, and the section [eval] while sampling"},
    {"init", "-o", "the file is named without an option: ffcl init FILE.ini"},
    {"init", "--output", "the file is named without an option: ffcl init FILE.ini"},
    {"init", "-m", "--checkpoint FILE is the transformer"},
    {"init", "--model", "--checkpoint FILE is the transformer"},
    {"init", "--ckpt", "--checkpoint FILE is the transformer"},
    {"convert", "-i", "files are named without options: ffcl convert IN OUT.safetensors"},
    {"convert", "-o", "files are named without options: ffcl convert IN OUT.safetensors"},
    {"convert", "--output", "files are named without options: ffcl convert IN OUT.safetensors"},
    {"convert", "-t", ONE_DTYPE}, {"convert", "--type", ONE_DTYPE},
    {"convert", "--outtype", ONE_DTYPE}, {"convert", "--precision", ONE_DTYPE},
    {"convert", "--fp16", ONE_DTYPE}, {"convert", "--f16", ONE_DTYPE},
    {"convert", "--half", ONE_DTYPE}, {"convert", "--bf16", ONE_DTYPE},
    {"eval", "--ref", "--reference REF is what the samples are compared with"},
    {"eval", "--fid", "all measures are computed: ffcl eval SAMPLES --reference REF"},
    {"eval", "--isc", "all measures are computed: ffcl eval SAMPLES --reference REF"},
    {"eval", "--prc", "all measures are computed: ffcl eval SAMPLES --reference REF"},
    {"eval", "-o", "the numbers are on stdout: --json > FILE.json keeps them"},
    {"eval", "--output", "the numbers are on stdout: --json > FILE.json keeps them"},
    {"bench", "-d", "--device SELECT is the device"},
    {"bench", "-m", "ffcl bench model FILE.ini times a model"},
    {"bench", "--model", "ffcl bench model FILE.ini times a model"},
    {"bench", "-r", "--repeats N is how often"}, {"bench", "-n", "--repeats N is how often"},
    {"bench", "--reps", "--repeats N is how often"}, {"bench", "-i", "--repeats N is how often"},
    {"bench", "--iterations", "--repeats N is how often"},
    {"bench", "--iters", "--repeats N is how often"},
    {"bench", "-b", "--batches LIST is how many images at a time"},
    {"bench", "--batch-size", "--batches LIST is how many images at a time"},
    {"bench", "-o", "--json FILE, --csv FILE, --markdown FILE and --html FILE keep the results"},
    {"bench", "--output",
     "--json FILE, --csv FILE, --markdown FILE and --html FILE keep the results"},
    {"bench", "--list-devices", LISTS_DEVICES}, {"bench", "--list-kernels", "this is --list"},
    {"report", "-d", "--device SELECT is the device"},
    {"tune", "-t", "--minutes N is how long to look"},
    {"tune", "--time", "--minutes N is how long to look"},
    {"tune", "--quick", "--minutes N is how long to look"},
    {"devices", "--all", "all are listed"}, {"devices", "-a", "all are listed"},
    {"devices", "-L", "-l lists them, a line each"},
    {"keys", "--list", "without an option all are explained"},
    {NULL, "-m", "this is a key, model.checkpoint=VALUE"},
    {NULL, "-s", "this is a key, sampler.seed=VALUE"},
    {NULL, "-n", "this is a key, sampler.count=VALUE"},
    {NULL, "-b", "this is a key, sampler.batch=VALUE"},
    {NULL, "-c", "this is a key, sampler.classes=VALUE"},
    {NULL, "-t", "this is a key, output.threads=VALUE"},
    {NULL, "-j", "this is a key, output.threads=VALUE"},
    {NULL, "-d", DEVICE_OF_KEY}, {NULL, "--gpus", DEVICE_OF_KEY},
    {NULL, "-y", REPLACES}, {NULL, "-f", REPLACES}, {NULL, "--force", REPLACES},
    {NULL, "--yes", REPLACES}, {NULL, "--clobber", REPLACES},
    {NULL, "--silent", "this is --quiet"}, {NULL, "--no-progress", "this is --quiet"},
    {NULL, "--debug", "this is --verbose"}, {NULL, "--usage", "this is --help"},
    {NULL, "-?", "this is --help"},
};

/* Whether the command has what the hint speaks of. */
static int is_for(const ffcl_command *c, const char *hint)
{
    if (strstr(hint, "this is a key"))
        return strstr(c->usage, "section.key=value") != NULL;
    if (strcmp(hint, REPLACES) != 0)
        return 1;
    for (const ffcl_option *o = c->options; o && o->name; o++)
        if (!strcmp(o->name, "overwrite"))
            return 1;
    return 0;
}

const char *ffcl_option_elsewhere(const ffcl_command *c, const char *option)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (!strcmp(option, options[i].option) && is_for(c, options[i].hint) &&
            (!options[i].command || !strcmp(options[i].command, c->name)))
            return options[i].hint;
    return NULL;
}
