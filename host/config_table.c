/* SPDX-License-Identifier: MIT */
#include "config_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_presets.h"
#include "util.h"

#define CHOICE(name) {#name, FFCL_PRESET_##name},
static const ffcl_config_choice presets[] = {
    {"auto", FFCL_PRESET_AUTO}, FFCL_PRESETS(CHOICE) {NULL, 0},
};
#undef CHOICE
static const ffcl_config_choice predictions[] = {{"velocity", 0}, {"data", 1}, {NULL, 0}};
static const ffcl_config_choice noise_times[] = {{"1", 1}, {"0", 0}, {NULL, 0}};
static const ffcl_config_choice solvers[] = {
    {"euler", FFCL_SOLVER_EULER}, {"heun", FFCL_SOLVER_HEUN}, {"renoise", FFCL_SOLVER_RENOISE},
    {"sde", FFCL_SOLVER_SDE}, {"sde-heun", FFCL_SOLVER_SDE_HEUN},
    {"ddim", FFCL_SOLVER_DDIM}, {NULL, 0},
};
static const ffcl_config_choice cfg_kinds[] = {
    {"none", FFCL_CFG_NONE}, {"all", FFCL_CFG_ALL}, {"three", FFCL_CFG_THREE}, {NULL, 0},
};
static const ffcl_config_choice gates[] = {{"step", 0}, {"evaluation", 1}, {NULL, 0}};
static const ffcl_config_choice vae_words[] = {{"none", 0}, {"checkpoint", 0}, {NULL, 0}};
static const ffcl_config_choice stats_words[] = {
    {"none", 0}, {"checkpoint", 0}, {"sd-imagenet", 0}, {NULL, 0},
};

static const ffcl_config_choice name_words[] = {{"imagenet", 0}, {NULL, 0}};
static const ffcl_config_choice updates[] = {{"plus", 1}, {"minus", -1}, {NULL, 0}};

static const ffcl_config_choice null_classes[] = {
    {"auto", FFCL_NULL_AUTO}, {"last", FFCL_NULL_LAST}, {"none", FFCL_NULL_NONE}, {NULL, 0},
};

static const ffcl_config_choice rngs[] = {
    {"torch-cpu", FFCL_RNG_TORCH_CPU},
    {"torch-cuda", FFCL_RNG_TORCH_CUDA},
    {"per-image", FFCL_RNG_PER_IMAGE},
    {"per-image-42", FFCL_RNG_PER_IMAGE_42},
    {NULL, 0},
};

static const ffcl_config_choice precisions[] = {
    {"auto", FFCL_PRECISION_AUTO},
    {"float32", FFCL_PRECISION_FLOAT32},
    {"half", FFCL_PRECISION_HALF},
    {NULL, 0},
};

static const ffcl_config_choice on_bad[] = {
    {"stop", FFCL_BAD_STOP}, {"skip", FFCL_BAD_SKIP}, {NULL, 0},
};
static const ffcl_config_choice metadata_kinds[] = {
    {"grid", FFCL_METADATA_GRIDS}, {"all", FFCL_METADATA_ALL}, {"none", FFCL_METADATA_NONE},
    {NULL, 0},
};
static const ffcl_config_choice auto_off[] = {{"auto", 0}, {"off", 0}, {NULL, 0}};
static const ffcl_config_choice yes_no[] = {{"yes", 1}, {"no", 0}, {NULL, 0}};
static const ffcl_config_choice references[] = {{"off", 0}, {"none", 1}, {NULL, 0}};
static const ffcl_config_choice likes[] = {
    {"adm", FFCL_LIKE_ADM},
    {"torch-fidelity", FFCL_LIKE_TORCH_FIDELITY},
    {"pytorch-fid", FFCL_LIKE_PYTORCH_FID},
    {NULL, 0},
};
static const ffcl_config_choice byte_rules[] = {
    {"sit", FFCL_BYTES_SIT},
    {"repa", FFCL_BYTES_REPA},
    {"round", FFCL_BYTES_ROUND},
    {NULL, 0},
};

/* The keys that only matter for some ways of making random numbers, or some outputs. */
static int is_cuda(const ffcl_config *cfg)
{
    return cfg->sampler.rng == FFCL_RNG_TORCH_CUDA;
}

static int has_draw_batches(const ffcl_config *cfg)
{
    return is_cuda(cfg) || (cfg->sampler.rng == FFCL_RNG_TORCH_CPU &&
                            (cfg->sampler.kind == FFCL_CLASSES_RANDOM ||
                             ffcl_config_draws_later(cfg)));
}

static int is_guided(const ffcl_config *cfg)
{
    return cfg->sampler.cfg != FFCL_CFG_NONE || ffcl_config_feeds_interval(cfg);
}

static int is_heun(const ffcl_config *cfg)
{
    return cfg->sampler.solver == FFCL_SOLVER_HEUN || cfg->sampler.solver == FFCL_SOLVER_SDE_HEUN;
}

static int is_sde(const ffcl_config *cfg)
{
    return cfg->sampler.solver == FFCL_SOLVER_SDE || cfg->sampler.solver == FFCL_SOLVER_SDE_HEUN;
}

static int has_folder(const ffcl_config *cfg)
{
    return cfg->output.folder != NULL;
}

static int folder_has_metadata(const ffcl_config *cfg)
{
    return cfg->output.folder && cfg->output.metadata == FFCL_METADATA_ALL;
}

#define AT(member) .offset = offsetof(struct ffcl_config, member)
#define SAME .images = FFCL_IMAGES_SAME
#define DIFFER .images = FFCL_IMAGES_DIFFER
#define LATE .images = FFCL_IMAGES_DIFFER, .is_late = 1
/* What counts is found when weights and device are open: the setting of this name. */
#define DIFFER_BY(setting) .images = FFCL_IMAGES_DIFFER, .fact = setting

/* A device rounds in its own way, which [device] select decides: the manifest's "blas.products of"
 * says how, and a run that resumes on another kind of device is warned, not refused.  A preset
 * changes images by the keys that it stands for, and [condition] has no rows: all of it does. */
const ffcl_config_row ffcl_config_rows[] = {
    {"device", "select", FFCL_TYPE_TEXT, "auto", AT(device.select), SAME,
     .help = "Which OpenCL devices compute, each with a worker of its own: `auto`, `gpu`, `cpu`, "
             "`all`, an index as `ffcl devices` counts, `P:D` (platform and device), part of a "
             "name, or a comma list of these"},

    {"model", "checkpoint", FFCL_TYPE_INPUT, "FreeFlow-XL-2-256.pt", AT(model.checkpoint),
     DIFFER_BY("model.checkpoint"),
     .help = "The weights of the transformer, `.pt` or `.safetensors`"},
    {"model", "preset", FFCL_TYPE_CHOICE, "auto", AT(model.preset), SAME, .choices = presets,
     .help = "How the checkpoint is sampled: the family that it is of, see below and `ffcl "
             "presets`. Stands for values of other keys, each of which can be set on its own. "
             "`auto` takes the preset where the tensors and `[condition]` leave one possibility, "
             "and stops with the candidates where they leave several"},
    {"model", "preset_check", FFCL_TYPE_CHOICE, "yes", AT(model.check), SAME, .choices = yes_no,
     .help = "`yes`: a checkpoint whose tensors are not those of the preset's family is refused. "
             "`no`: the preset is trusted"},
    {"model", "wrapper", FFCL_TYPE_TEXT, "auto", AT(model.wrapper),
     DIFFER_BY("model.tensors"),
     .help = "The dictionary of a torch file that holds the weights, such as `ema`, or "
             "`state_dict.ema` for one inside another; `none`: the file itself. `auto` prefers "
             "averaged weights (EMA) to raw ones; the run says what it took"},
    {"model", "prefix", FFCL_TYPE_TEXT, "auto", AT(model.prefix),
     DIFFER_BY("model.tensors"),
     .help = "What the names of the weights begin with, such as `network.`; `none`: nothing. Other "
             "tensors are passed over. `auto` takes the one prefix that leads to a transformer"},
    {"model", "ignore", FFCL_TYPE_TEXT, "none", AT(model.ignore),
     DIFFER_BY("model.tensors"),
     .help = "Tensors that sampling does not use: names, in which `*` stands for anything, with "
             "commas between them; `none`: every tensor must be known"},
    {"model", "noise_time", FFCL_TYPE_CHOICE, "1", AT(model.noise_time), LATE,
     .choices = noise_times,
     .help = "The time of noise; that of data is the other of 0 and 1"},
    {"model", "update", FFCL_TYPE_CHOICE, "plus", AT(model.update), DIFFER, .choices = updates,
     .help = "What the output F of the transformer points to. `plus`: from noise to data, a step "
             "adds its length times F; `minus`: to noise, a step subtracts it"},
    {"model", "predicts", FFCL_TYPE_CHOICE, "velocity", AT(model.predicts_data), LATE,
     .choices = predictions,
     .help = "What F is: a `velocity`, or `data`, from which the velocity is (F - x) / "
             "max(1 - tau, 0.05), tau the part of the way that is done (pMF)"},
    {"model", "noise_scale", FFCL_TYPE_REAL_AUTO, "auto", AT(model.noise_scale),
     DIFFER_BY("model.noise_scale"), .min = 1e-3, .max = 1e3,
     .help = "What the noise is multiplied with. `auto`: 1; of pMF what the published sizes have, "
             "as no file tells: 1 for B/16 and L/16, 2 for H/16 and B/32, 4 for L/32 and H/32"},
    {"model", "split", FFCL_TYPE_COUNT_AUTO, "auto", AT(model.split), DIFFER_BY("model.split"),
     .min = 1, .max = 65536,
     .help = "Of embedders with two inputs (DMF): the first block that has the second one. `auto` "
             "knows the published 20 of 28; for others it must be given"},
    {"model", "heads", FFCL_TYPE_COUNT_AUTO, "auto", AT(model.heads), DIFFER_BY("model.heads"),
     .min = 1, .max = 1024,
     .help = "Attention heads. `auto` knows the hidden sizes 384 (6 heads), 768 (12), 1024 (16) "
             "and 1152 (16); for any other it must be given"},
    {"model", "latent_size", FFCL_TYPE_COUNT_AUTO, "auto", AT(model.latent_size),
     DIFFER_BY("image.size"), .min = 1, .max = 65536,
     .help = "Side of the latent, an eighth of the image's. `auto` reads it off the "
             "checkpoint's `pos_embed`; it must be given only for a file without one, and is "
             "ignored otherwise"},
    {"model", "null_class", FFCL_TYPE_CHOICE, "auto", AT(model.null_class),
     DIFFER_BY("model.null_class"), .choices = null_classes,
     .help = "Whether the table of labels ends with the null class, which trainings with label "
             "dropout have and which is no label. `auto`: `last`, as in all published checkpoints, "
             "but `none` where the table has one row only; a line says so where labels are "
             "`random` or `balanced` and the table has not ImageNet's 1001 rows"},
    {"model", "strict", FFCL_TYPE_CHOICE, "no", AT(model.strict), SAME,
     .choices = yes_no,
     .help = "`yes`: a `.pt` file, of the checkpoint or the VAE, whose pickle would have Python "
             "call anything but what tensors need is refused. `no`: it is named in a note. ffcl "
             "itself never calls anything"},

    {"vae", "weights", FFCL_TYPE_INPUT, "sd-vae-ft-ema/diffusion_pytorch_model.safetensors",
     AT(vae.weights), DIFFER_BY("vae.weights"), .choices = vae_words,
     .help = "The weights of the VAE, of diffusers or with the names of latent-diffusion (LDM); "
             "its `config.json` lies beside them. `checkpoint`: they are in the transformer's "
             "file; `none`: the transformer makes images, not latents (pMF)"},
    {"vae", "wrapper", FFCL_TYPE_TEXT, "auto", AT(vae.wrapper),
     DIFFER_BY("vae.tensors"),
     .help = "As `[model] wrapper`, of the VAE's file"},
    {"vae", "scale", FFCL_TYPE_REAL_AUTO, "auto", AT(vae.scale), DIFFER_BY("vae.scale"),
     .min = 1e-6, .max = 1e6,
     .help = "The decoder gets latent / scale + shift. `auto`: `scaling_factor` of the VAE's "
             "config.json, else 0.18215; 1 where there are `stats`"},
    {"vae", "shift", FFCL_TYPE_REAL_AUTO, "auto", AT(vae.shift), DIFFER_BY("vae.shift"),
     .min = -1e6, .max = 1e6,
     .help = "See `scale`. `auto`: `shift_factor` of the VAE's config.json, else 0"},
    {"vae", "stats", FFCL_TYPE_INPUT, "none", AT(vae.stats), DIFFER_BY("vae.stats"),
     .choices = stats_words,
     .help = "Mean and deviation of each latent channel: the decoder gets latent / scale * std + "
             "mean. A file with `mean` and `std`, with `latents_scale` and `latents_bias`, or with "
             "a batch norm `bn`, as a VAE's own may have it; "
             "`checkpoint`: the batch norm `bn` that REPA-E keeps in the transformer's; "
             "`sd-imagenet`: those of ImageNet by the Stable Diffusion VAE, as in iMF's code"},
    {"vae", "groups", FFCL_TYPE_COUNT_AUTO, "auto", AT(vae.groups),
     DIFFER_BY("vae.norm_num_groups"), .min = 1, .max = 65536,
     .help = "Groups of the decoder's group norms. `auto`: `norm_num_groups` of the VAE's "
             "config.json, else 32"},

    {"sampler", "seed", FFCL_TYPE_SEED, "0", AT(sampler.seed), DIFFER,
     .help = "Seed of the noise. A negative seed is taken as its two's complement, as PyTorch "
             "does"},
    {"sampler", "rng", FFCL_TYPE_CHOICE, "torch-cpu", AT(sampler.rng), DIFFER, .choices = rngs,
     .help = "Whose random numbers: those of PyTorch on the CPU, of PyTorch on a CUDA card, or "
             "a generator for each image i, of the seed `seed` + i, or, as iMF's, of (`seed` + i) "
             "XOR 42"},
    {"sampler", "classes", FFCL_TYPE_CLASSES, "207, 360, 387, 974, 88, 979, 417, 279",
     AT(sampler.classes), DIFFER,
     .help = "Class labels of the images: numbers, ranges `a-b` and names of `class_names`, in "
             "which `*` stands for any letters, a list that repeats and may continue in indented "
             "lines; `file:PATH`: such a list in a file, entries separated by commas or line ends, "
             "numbers also by blanks; `random`: random labels, as `sample_ddp.py` makes them after "
             "the noise; `balanced`: the model's classes in turn"},
    {"sampler", "class_names", FFCL_TYPE_INPUT, "imagenet", AT(sampler.class_names), SAME,
     .choices = name_words,
     .help = "The names that `classes` may have: `imagenet`, those of its 1000 classes (`ffcl "
             "classes` lists them), or a file with a line a class, from class 0 on, of names with "
             "commas between them"},
    {"sampler", "count", FFCL_TYPE_COUNT_AUTO, "auto", AT(sampler.count), DIFFER,
     .resolve = ffcl_config_count, .min = 1, .max = FFCL_CONFIG_MAX_IMAGES,
     .help = "How many images. `auto`: as many as classes are listed; if it is more, the list "
             "repeats. `random` and `balanced` need a number"},
    {"sampler", "batch", FFCL_TYPE_COUNT_AUTO, "auto", AT(sampler.batch), SAME, .min = 1,
     .max = 65536,
     .help = "Images computed at a time. `auto`: what the device's memory allows"},
    {"sampler", "draw_batch", FFCL_TYPE_COUNT_AUTO, "auto", AT(sampler.draw_batch), DIFFER,
     .counts = has_draw_batches, .resolve = ffcl_config_draw_batch, .min = 1,
     .max = FFCL_CONFIG_MAX_IMAGES,
     .help = "Images whose noise one call of PyTorch makes: the batch a GPU of the run that is "
             "to be repeated. It matters for `torch-cuda`, where `auto` is `batch` or, if that is "
             "`auto` too, all images of a rank, and for `random` classes of `torch-cpu`, where "
             "`auto` is 32"},
    {"sampler", "world", FFCL_TYPE_COUNT, "1", AT(sampler.world), DIFFER, .counts = is_cuda,
     .min = 1, .max = 65536,
     .help = "Shares that the images are divided into: rank r has r, r + world, ... With "
             "`torch-cuda` also the number of GPUs of the run that is to be repeated"},
    {"sampler", "rank", FFCL_TYPE_RANK, "all", AT(sampler.rank), SAME, .min = 0, .max = 65535,
     .help = "The share that this process makes, for several that share `[output] folder`, such as "
             "a job array. `all`: the images of every rank"},
    {"sampler", "index", FFCL_TYPE_RANK, "all", AT(sampler.index), SAME, .min = 0,
     .max = FFCL_CONFIG_MAX_IMAGES - 1,
     .help = "The only image to generate, by its index, as a `grid` of its own. `all`: the `count` "
             "images"},
    {"sampler", "cuda_threads", FFCL_TYPE_COUNT, "270336", AT(sampler.cuda_threads), DIFFER,
     .counts = is_cuda, .min = 256, .max = 16777216,
     .help = "Resident threads of the card whose `torch-cuda` numbers are wanted: "
             "multiprocessors times threads each. 270336: H100 SXM, H200; 221184: A100; 233472: "
             "H100 PCIe; 196608: RTX 4090; 163840: V100; 40960: T4"},
    {"sampler", "guidance", FFCL_TYPE_REAL, "1.5", AT(sampler.guidance), DIFFER, .min = -1000,
     .max = 1000,
     .help = "Guidance strength: for checkpoints that have a guidance embedder, and for `cfg`; "
             "others ignore it"},
    {"sampler", "cfg", FFCL_TYPE_CHOICE, "none", AT(sampler.cfg), LATE, .choices = cfg_kinds,
     .help = "Classifier-free guidance where `guidance` is above 1: a second pass with the null "
             "class, null + guidance (class - null), of `all` channels or of the first `three`"},
    {"sampler", "guidance_low", FFCL_TYPE_REAL, "0", AT(sampler.guidance_low), LATE,
     .counts = is_guided, .min = 0, .max = 1,
     .help = "`cfg` guides steps that begin at a time from here ...; iMF and pMF get both ends "
             "as inputs"},
    {"sampler", "guidance_high", FFCL_TYPE_REAL, "1", AT(sampler.guidance_high), LATE,
     .counts = is_guided, .min = 0, .max = 1, .help = "... to here"},
    {"sampler", "guidance_gate", FFCL_TYPE_CHOICE, "step", AT(sampler.gate), LATE,
     .counts = is_heun, .choices = gates,
     .help = "Whether Heun's second evaluation is guided goes by the begin of the `step`, or by "
             "the time of the `evaluation`"},
    {"sampler", "steps", FFCL_TYPE_COUNT, "1", AT(sampler.steps), LATE, .min = 1, .max = 10000,
     .help = "Steps from noise to data"},
    {"sampler", "solver", FFCL_TYPE_CHOICE, "euler", AT(sampler.solver), LATE, .choices = solvers,
     .help = "`euler`, `heun`: for velocities; `euler` also for flow maps of two times. `renoise`: "
             "each step jumps to data and, but for the last, adds noise for the next time. `sde`, "
             "`sde-heun`: the stochastic samplers of SiT and REPA, whose last step adds no noise. "
             "`ddim`: for networks that predict noise, with `preset = dit` alone: `steps` of the "
             "1000 of its diffusion, spaced as its code spaces them"},
    {"sampler", "times", FFCL_TYPE_TIMES, "uniform", AT(sampler.times), LATE,
     .help = "The times of the steps: `uniform`, or one more number than steps with commas between "
             "them, from the time of noise to that of data. Sets `steps`"},
    {"sampler", "time_shift", FFCL_TYPE_REAL, "1", AT(sampler.time_shift), LATE, .min = 1e-3,
     .max = 1e3, .help = "Shifts times: t becomes s t / (1 + (s - 1) t)"},
    {"sampler", "correct_last", FFCL_TYPE_CHOICE, "yes", AT(sampler.correct_last), LATE,
     .counts = is_heun, .choices = yes_no,
     .help = "Whether Heun's last step has its second evaluation"},
    {"sampler", "sde_last", FFCL_TYPE_REAL, "0.04", AT(sampler.sde_last), LATE, .counts = is_sde,
     .min = 1e-6, .max = 0.5, .help = "Length of the last step of an SDE"},
    {"sampler", "noise_rows", FFCL_TYPE_COUNT, "1", AT(sampler.noise_rows), LATE,
     .counts = ffcl_config_draws_later, .min = 1, .max = 2,
     .help = "Rows of later noise that PyTorch makes for an image: 2 where it makes it for both "
             "halves of a guided batch, as SiT does; it matters for the order of its numbers"},

    {"precision", "compute", FFCL_TYPE_CHOICE, "auto", AT(precision.compute),
     DIFFER_BY("precision.compute"), .choices = precisions,
     .help = "`float32` is the reference. `half` stores wide activations and most weights in 16 "
             "bits, on any device: without matrix units it saves memory, not time. `auto` is half "
             "where NVIDIA's tensor cores pass their self-check, and where AMD's or Intel's matrix "
             "unit is right and faster in a trial, or float32 does not fit the device's memory, "
             "else float32"},

    {"blas", "backend", FFCL_TYPE_TEXT, "auto", AT(blas.backend), DIFFER_BY(FFCL_CONFIG_PRODUCTS),
     .help = "Who multiplies matrices: `clblast`, or on CPU devices `cblas`, the library below, or "
             "beside CLBlast for half operands `mma` or `wgmma`, two generations of NVIDIA's "
             "tensor cores; `builtin`: ffcl's own float32 GEMM, which is slow and takes over where "
             "CLBlast fails its self-check. `auto` takes `cblas` on a CPU device where a library "
             "is there and passes its check, and of the tensor cores the newest that pass; "
             "`clblast` and `cblas` alone mean that `[precision] compute = auto` is float32. "
             "`wmma` (AMD RDNA 3), `mfma` (AMD CDNA) and `dpas` (Intel) are taken by `auto` where "
             "they are right and faster in a trial, which a device's first start makes in a minute "
             "at most (docs/tuning.md); by name, where they are right"},
    {"blas", "library", FFCL_TYPE_TEXT, "auto", AT(blas.library), DIFFER_BY(FFCL_CONFIG_PRODUCTS),
     .help = "The CBLAS library for CPU devices: a name that the loader finds, such as "
             "`libblis.so.4`, or an absolute path. `auto` takes the first of OpenBLAS, BLIS, MKL "
             "and the system's own that is at least four times as fast as a plain loop; where "
             "there is none, CLBlast multiplies, several times slower"},
    {"blas", "tuning", FFCL_TYPE_INPUT, "auto", AT(blas.tuning), DIFFER_BY(FFCL_CONFIG_PRODUCTS),
     .choices = auto_off,
     .help = "CLBlast's parameters. `auto`: those that `ffcl tune` found for this device, driver "
             "and library, if it was run; `off`: none but what is built in; or a file that `ffcl "
             "tune` wrote. They can change an image's last bits, so a sample set is completed "
             "with those that it was begun with. `off` also leaves untried which is faster on a "
             "GPU that is not NVIDIA's, CLBlast or ffcl's own float32 GEMM"},

    {"output", "grid", FFCL_TYPE_OUTPUT, "sample.png", AT(output.grid), SAME,
     .help = "One PNG with all images, laid out as torchvision's `save_image` does. Where `folder` "
             "or `npz` is set, there is none unless it is named"},
    {"output", "columns", FFCL_TYPE_COUNT, "4", AT(output.columns), SAME, .min = 1, .max = 10000,
     .help = "Images in a row of the grid"},
    {"output", "compare", FFCL_TYPE_TEXT, "none", AT(output.compare), SAME,
     .help = "A key and its values, `sampler.steps: 1, 2, 4` or, where values hold commas, with "
             "`|` between them: `ffcl FILE.ini` samples the images once with each, and the grid "
             "has a column for each and a row for each image. Neither folder nor npz is written"},
    {"output", "folder", FFCL_TYPE_OUTPUT, "", AT(output.folder), SAME,
     .help = "A folder for one PNG each: `000000.png`, `000001.png`, ..., and `manifest.json`"},
    {"output", "npz", FFCL_TYPE_OUTPUT, "", AT(output.npz), SAME,
     .help = "A NumPy file with all images: `arr_0`, uint8, (count, height, width, 3)"},
    {"output", "npz_labels", FFCL_TYPE_CHOICE, "no", AT(output.npz_labels), SAME,
     .choices = yes_no,
     .help = "`yes`: the class labels stand in the npz, too, as `arr_1`, int64, as ADM's own "
             "sampler writes them. They are always in `labels.txt`"},
    {"output", "bytes", FFCL_TYPE_CHOICE, "sit", AT(output.bytes), DIFFER, .choices = byte_rules,
     .help = "From decoder output x to a byte: `sit`: clamp(127.5 x + 128), `repa`: "
             "clamp(255 (x + 1) / 2), `round`: the same, rounded half to even"},
    {"output", "png_level", FFCL_TYPE_COUNT, "6", AT(output.png_level), DIFFER,
     .counts = has_folder, .min = 0, .max = 9,
     .help = "Compression of the folder's files: 0 is none, 1 fast, 9 small"},
    {"output", "metadata", FFCL_TYPE_CHOICE, "grid", AT(output.metadata), DIFFER,
     .counts = folder_has_metadata, .choices = metadata_kinds,
     .help = "Which PNGs say in text chunks what they were made with (seed, index, class, "
             "guidance, checksums of the weights, version, and the INI file that makes them "
             "again, which `ffcl inspect` prints): `grid`, the files of the folder, too "
             "(`all`), or `none`. The pixels are the same"},
    {"output", "threads", FFCL_TYPE_COUNT_AUTO, "auto", AT(output.threads), SAME, .min = 1,
     .max = 1024,
     .help = "Threads that compress and write while the device computes. `auto`: one a processor"},
    {"output", "on_bad", FFCL_TYPE_CHOICE, "stop", AT(output.on_bad), DIFFER, .choices = on_bad,
     .help = "What happens to an image that holds a value that is not finite, or one colour "
             "only. `stop`: the run fails; `skip`: a warning and the manifest name the image, "
             "which has no file in the folder and is black in npz and grid"},
    {"output", "resume", FFCL_TYPE_CHOICE, "yes", AT(output.resume), SAME, .choices = yes_no,
     .help = "`yes`: images of an earlier run with the same settings are verified and kept. "
             "`no`: everything is generated anew, and what is there is deleted, if `overwrite` "
             "allows it"},
    {"output", "overwrite", FFCL_TYPE_CHOICE, "no", AT(output.overwrite), SAME, .choices = yes_no,
     .help = "`yes`, or `--overwrite` on the command line: numbered images of `folder`, and an "
             "`npz`, that are not of this sample set, or were made with other settings, are "
             "deleted and replaced, and so is an image in the place of `grid` that ffcl did not "
             "make. `no`: they end the run"},

    {"eval", "reference", FFCL_TYPE_INPUT, "off", AT(eval.reference), SAME,
     .choices = references,
     .help = "What the images are compared with while they are made: statistics or images that "
             "`ffcl eval` reads ([evaluation.md](evaluation.md#while-sampling)). Each batch goes "
             "through the Inception network on its device; neither `folder` nor `npz` is needed. "
             "`off`: they are not evaluated; `none`: what needs no reference is computed"},
    {"eval", "inception", FFCL_TYPE_INPUT, "pt_inception-2015-12-05-6726825d.pth",
     AT(eval.inception), SAME,
     .help = "The Inception network of FID"},
    {"eval", "like", FFCL_TYPE_CHOICE, "adm", AT(eval.like), SAME, .choices = likes,
     .help = "Whose numbers: those of ADM's evaluator, of torch-fidelity or of pytorch-fid"},
    {"eval", "save_stats", FFCL_TYPE_OUTPUT, "", AT(eval.save_stats), SAME,
     .help = "A file for the statistics of the generated images, which `ffcl eval` reads"},
};

const size_t ffcl_config_n_rows = sizeof ffcl_config_rows / sizeof *ffcl_config_rows;
_Static_assert(sizeof ffcl_config_rows / sizeof *ffcl_config_rows <= FFCL_CONFIG_MOST_ROWS,
               "ffcl_config.origin is too short");

const char *ffcl_config_input_name(ffcl_input_kind kind)
{
    static const char *const names[] = {
        [FFCL_INPUT_DELTA] = "delta",
        [FFCL_INPUT_T] = "t",
        [FFCL_INPUT_R] = "r",
        [FFCL_INPUT_GUIDANCE] = "guidance",
        [FFCL_INPUT_OMEGA] = "omega",
        [FFCL_INPUT_T_MIN] = "t_min",
        [FFCL_INPUT_T_MAX] = "t_max",
        [FFCL_INPUT_GOAL] = "goal",
        [FFCL_INPUT_NUMBER] = NULL,
    };
    return names[kind];
}

const char *ffcl_config_input_text(char *text, size_t size, const ffcl_condition *c)
{
    const char *name = ffcl_config_input_name(c->kind);
    if (!name) {
        snprintf(text, size, "%.17g", c->number);
        ffcl_point(text);
    } else {
        snprintf(text, size, "%s%s%s", name, c->has_second ? ", " : "",
                 c->has_second ? ffcl_config_input_name(c->second) : "");
    }
    return text;
}

/* In the order of the file; [condition] has no rows. */
static const char *const sections[] = {
    "device", "model", FFCL_CONFIG_CONDITION, "vae", "sampler", "precision", "blas", "output",
    "eval",
};
static const size_t n_sections = sizeof sections / sizeof *sections;

const ffcl_config_row *ffcl_config_find(const char *section, const char *key)
{
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        if (!strcmp(row->section, section) && !strcmp(row->key, key))
            return row;
    }
    return NULL;
}

/* How far given is from the known name, or SIZE_MAX where it is too far for a suggestion. */
static size_t distance(const char *given, const char *known)
{
    if (!strcasecmp(given, known))
        return 0;
    size_t limit = ffcl_max(2, strlen(known) / 3);
    size_t d = ffcl_edit_distance(given, known);
    return d <= limit && d < strlen(known) ? d : SIZE_MAX;
}

const ffcl_config_row *ffcl_config_nearest(const char *section, const char *key)
{
    const ffcl_config_row *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        if (section && strcmp(row->section, section))
            continue;
        size_t d = distance(key, row->key);
        if (d < best_distance) {
            best = row;
            best_distance = d;
        }
    }
    return best;
}

const char *ffcl_config_nearest_choice(const ffcl_config_row *row, const char *text)
{
    static const char *const elsewhere[][2] = {
        {"fp16", "half"}, {"f16", "half"}, {"float16", "half"}, {"fp32", "float32"},
        {"f32", "float32"}, {"float", "float32"}, {"true", "yes"}, {"on", "yes"}, {"1", "yes"},
        {"false", "no"}, {"off", "no"}, {"0", "no"},
    };
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (const ffcl_config_choice *c = row->choices; *text && c->name; c++) {
        size_t d = distance(text, c->name);
        for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
            if (!strcasecmp(text, elsewhere[i][0]) && !strcmp(c->name, elsewhere[i][1]))
                d = 0;
        if (d < best_distance) {
            best = c->name;
            best_distance = d;
        }
    }
    return best;
}

static const char *nearest_section(const char *section)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < n_sections; i++) {
        size_t d = distance(section, sections[i]);
        if (d < best_distance) {
            best = sections[i];
            best_distance = d;
        }
    }
    return best;
}

static const ffcl_config_row *key_anywhere(const char *key)
{
    for (size_t i = 0; i < ffcl_config_n_rows; i++)
        if (!strcmp(ffcl_config_rows[i].key, key))
            return &ffcl_config_rows[i];
    return NULL;
}

static int unknown_section(const char *where, const char *section, const char *key,
                           ffcl_error *err)
{
    const ffcl_config_row *home = key_anywhere(key);
    if (!*section && home)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: key %s stands before any [section]; it belongs "
                         "in [%s]", where, key, home->section);
    if (!*section)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: key %.80s stands before any [section]", where,
                         key);
    const char *near = nearest_section(section);
    if (near)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: unknown section [%.80s]; did you mean [%s]?",
                         where, section, near);
    if (home)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: unknown section [%.80s]; key %s belongs in [%s]",
                         where, section, key, home->section);
    char list[256] = "";
    for (size_t i = 0, used = 0; i < n_sections && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s[%s]", i ? ", " : "",
                                 sections[i]);
    return ffcl_fail(err, FFCL_ECONFIG, "%s: unknown section [%.80s]; the sections are %s", where,
                     section, list);
}

int ffcl_config_unknown(const char *where, const char *section, const char *key, ffcl_error *err)
{
    int known = 0;
    if (!*key)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: no key stands before the =", where);
    for (size_t i = 0; i < n_sections; i++)
        known |= !strcmp(sections[i], section);
    if (!known)
        return unknown_section(where, section, key, err);

    char word[64];
    snprintf(word, sizeof word, "%s.%s", section, key);
    const ffcl_config_row *word_row = ffcl_config_by_word(word), *row = key_anywhere(key);
    if (row && !word_row)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: unknown key [%s] %s; it belongs in [%s]", where,
                         section, key, row->section);
    if (!word_row)
        word_row = ffcl_config_by_word(key);
    if (word_row)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: unknown key [%s] %s; did you mean [%s] %s?",
                         where, section, key, word_row->section, word_row->key);
    row = ffcl_config_nearest(section, key);
    if (row)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: unknown key [%s] %.80s; did you mean %s?", where,
                         section, key, row->key);
    row = ffcl_config_nearest(NULL, key);
    if (row)
        return ffcl_fail(err, FFCL_ECONFIG, "%s: unknown key [%s] %.80s; did you mean [%s] %s?",
                         where, section, key, row->section, row->key);
    char list[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < ffcl_config_n_rows && used < sizeof list; i++)
        if (!strcmp(ffcl_config_rows[i].section, section))
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "",
                                     ffcl_config_rows[i].key);
    return ffcl_fail(err, FFCL_ECONFIG, "%s: unknown key [%s] %.80s; known there: %s", where,
                     section, key, list);
}

/* "one of a, b, c", or the name itself where there is one choice only. */
static char *expected_choice(const ffcl_config_choice *choices)
{
    char *text = ffcl_format("%s%s", choices[1].name ? "one of " : "", choices[0].name);
    for (size_t i = 1; text && choices[i].name; i++) {
        char *longer = ffcl_format("%s, %s", text, choices[i].name);
        free(text);
        text = longer;
    }
    return text;
}

char *ffcl_config_expected(const ffcl_config_row *row)
{
    switch (row->type) {
    case FFCL_TYPE_TEXT:
        return ffcl_format("text");
    case FFCL_TYPE_INPUT:
        if (row->choices && !row->choices[1].name)
            return ffcl_format("%s, or the path of a file", row->choices[0].name);
        return row->choices ? ffcl_format("%s, %s, or the path of a file", row->choices[0].name,
                                          row->choices[1].name)
                            : ffcl_format("the path of a file");
    case FFCL_TYPE_OUTPUT:
        return ffcl_format("a path, or nothing for none");
    case FFCL_TYPE_CHOICE:
        return expected_choice(row->choices);
    case FFCL_TYPE_COUNT:
        return ffcl_format("a whole number from %.0f to %.0f", row->min, row->max);
    case FFCL_TYPE_COUNT_AUTO:
        return ffcl_format("auto or a whole number from %.0f to %.0f", row->min, row->max);
    case FFCL_TYPE_REAL:
        return ffcl_format("a number from %.7g to %.7g", row->min, row->max);
    case FFCL_TYPE_REAL_AUTO:
        return ffcl_format("auto or a number from %.7g to %.7g", row->min, row->max);
    case FFCL_TYPE_TIMES:
        return ffcl_format("uniform, or two or more numbers from 0 to 1 with commas between them");
    case FFCL_TYPE_SEED:
        return ffcl_format("a whole number from -9223372036854775808 to 18446744073709551615");
    case FFCL_TYPE_RANK:
        return ffcl_format("all or a whole number from %.0f to %.0f", row->min, row->max);
    case FFCL_TYPE_CLASSES:
        return ffcl_format("random, balanced, file:PATH, or numbers, ranges a-b and names of "
                           "classes, separated by commas");
    }
    return NULL;
}

/* 1: no memory. */
static int write_section(FILE *out, const char *section)
{
    int bad = 0;
    fprintf(out, "## [%s]\n\n", section);
    fputs("| key | default | value | meaning |\n| --- | --- | --- | --- |\n", out);
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        if (strcmp(row->section, section))
            continue;
        char *expected = ffcl_config_expected(row);
        fprintf(out, "| `%s` | %s%s%s | %s | %s |\n", row->key, *row->initial ? "`" : "",
                *row->initial ? row->initial : "(empty)", *row->initial ? "`" : "",
                expected ? expected : "", row->help);
        bad |= !expected;
        free(expected);
    }
    fputc('\n', out);
    return bad;
}

static const char introduction[] =
    "# The INI file\n"
    "\n"
    "`ffcl keys --markdown` prints this page; it is made from the table that the parser uses.\n"
    "\n"
    "A file has sections in brackets and a `key = value` a line. Every key has a default, so a\n"
    "file lists what differs from it. An unknown section or key, a key given twice or a bad\n"
    "value is an error that cites file and line; no key is ignored.\n"
    "\n"
    "- A line that begins with `;` or `#` is a comment. After a value, a comment begins with\n"
    "  a space and `;`.\n"
    "- A line has at most 198 characters, comments not counted. A long list of classes may\n"
    "  continue in the next lines, which begin with a space; no other value can:\n"
    "\n"
    "  ```ini\n"
    "  classes = 0-9, 207, 360,\n"
    "      387, 974\n"
    "  ```\n"
    "- For the same reason keys are not indented.\n"
    "- Names and choices are written in lower case. The file is UTF-8.\n"
    "\n"
    "## On the command line\n"
    "\n"
    "`ffcl FILE.ini section.key=value ...` overrides keys of the file, e.g.\n"
    "`sampler.seed=7 output.grid=seven.png sampler.classes=0-9,88`. Where a key is given twice\n"
    "the last one counts. Nothing after `=` makes an output empty: `output.grid=`.\n"
    "\n"
    "## Paths\n"
    "\n"
    "- Files that are read (`[model] checkpoint`, `[vae] weights`, `file:PATH` classes): relative\n"
    "  to the folder of the INI file. Given on the command line they are looked up from the\n"
    "  current folder first and, if nothing is there, from the folder of the INI file.\n"
    "  Of an INI file from standard input that is the current one.\n"
    "- Files that are written (`[output] grid`, `folder`, `npz`): relative to the current\n"
    "  folder.\n"
    "- `~/` and `~user/` in front are the home of the user, here and on the command line, also\n"
    "  where no shell replaces them.\n"
    "\n";

static const char condition_text[] =
    "## [condition]\n"
    "\n"
    "What the scalar embedders of the checkpoint are fed with, where it is not what the preset\n"
    "says. The key is the prefix of the embedder's tensors, such as `t_embedder`; the value is\n"
    "one of\n"
    "\n"
    "| value | input |\n"
    "| --- | --- |\n"
    "| `delta` | the length of the step: 1 where there is one |\n"
    "| `t` | the time at which the step begins |\n"
    "| `r` | the time at which the step ends |\n"
    "| `guidance` | `[sampler] guidance` |\n"
    "| `omega` | 1 - 1 / `[sampler] guidance` |\n"
    "| `t_min`, `t_max` | `[sampler] guidance_low`, `guidance_high` |\n"
    "| `goal` | the time that a step of `solver = renoise` jumps to; with others that of its "
    "begin |\n"
    "| a number | that number |\n"
    "| two of the names | `t, r`: blocks from `[model] split` on, and the final layer, have the "
    "embedding of the second |\n"
    "\n"
    "The run ends with the candidates where an embedder has no line and the preset does not know "
    "it.\n"
    "\n";

static const char presets_text[] =
    "## Presets\n"
    "\n"
    "What each stands for, where a key or a line of `[condition]` is not given. `ffcl presets` has "
    "their papers and\nrepositories, [models.md](models.md) what is checked.\n"
    "\n"
    "| preset | stands for | embedders |\n"
    "| --- | --- | --- |\n";

static void write_presets(FILE *out)
{
    fputs(presets_text, out);
    for (size_t i = 0; i < FFCL_PRESET_COUNT; i++) {
        const ffcl_preset *p = &ffcl_presets[i];
        fprintf(out, "| `%s` | ", p->name);
        for (const char *const *v = p->values; *v; v++)
            fprintf(out, "%s`%s`", v == p->values ? "" : " ", *v);
        if (p->refused)
            fprintf(out, "; refused without `sampler.solver=ddim`: %s", p->refused);
        fputs(" | ", out);
        for (const char *const *v = p->embedders; *v; v++)
            fprintf(out, "%s`%s`", v == p->embedders ? "" : " ", *v + (**v == '?'));
        fputs(" |\n", out);
    }
}

int ffcl_config_presets(char **out, ffcl_error *err)
{
    size_t size = 0;
    *out = NULL;
    FILE *stream = open_memstream(out, &size);
    for (size_t i = 0; stream && i < FFCL_PRESET_COUNT; i++) {
        const ffcl_preset *p = &ffcl_presets[i];
        fprintf(stream, "%-12s %s%s\n             %s\n             github.com/%s\n", p->name,
                p->title, p->refused ? " (refused without solver = ddim)" : "", p->paper,
                p->repository);
        if (p->refused)
            fprintf(stream, "             %s\n", p->refused);
    }
    int bad = !stream || ferror(stream);
    if ((stream && fclose(stream)) || bad) {
        free(*out);
        *out = NULL;
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the presets");
    }
    return 0;
}

int ffcl_config_reference(char **out, ffcl_error *err)
{
    size_t size = 0;
    *out = NULL;
    FILE *stream = open_memstream(out, &size);
    if (!stream)
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the key reference");
    fputs(introduction, stream);
    int bad = 0;
    for (size_t i = 0; i < n_sections; i++) {
        if (strcmp(sections[i], FFCL_CONFIG_CONDITION)) {
            bad |= write_section(stream, sections[i]);
            continue;
        }
        fputs(condition_text, stream);
    }
    write_presets(stream);
    bad |= ferror(stream);
    if (fclose(stream) || bad) {
        free(*out);
        *out = NULL;
        return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the key reference");
    }
    return 0;
}
