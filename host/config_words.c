/* SPDX-License-Identifier: MIT
 * What other programs call ffcl's keys. */
#include <string.h>

#include "config_table.h"

static const struct {
    const char *word, *section, *key;
} words[] = {
    {"device", "device", "select"}, {"device.index", "device", "select"},
    {"gpu", "device", "select"},
    {"model", "model", "checkpoint"}, {"ckpt", "model", "checkpoint"},
    {"ckpt_path", "model", "checkpoint"}, {"num_heads", "model", "heads"},
    {"vae", "vae", "weights"}, {"vae_path", "vae", "weights"},
    {"cfg_scale", "sampler", "guidance"}, {"cfg", "sampler", "guidance"},
    {"guidance_scale", "sampler", "guidance"}, {"w", "sampler", "guidance"},
    {"class", "sampler", "classes"}, {"labels", "sampler", "classes"},
    {"class_labels", "sampler", "classes"},
    {"num_samples", "sampler", "count"}, {"num_images", "sampler", "count"},
    {"num_fid_samples", "sampler", "count"},
    {"batch_size", "sampler", "batch"}, {"per_proc_batch_size", "sampler", "batch"},
    {"global_seed", "sampler", "seed"},
    {"num_steps", "sampler", "steps"}, {"num_sampling_steps", "sampler", "steps"},
    {"num_inference_steps", "sampler", "steps"}, {"nfe", "sampler", "steps"},
    {"sampling_method", "sampler", "solver"},
    {"out", "output", "grid"}, {"outdir", "output", "folder"}, {"out_dir", "output", "folder"},
    {"output_dir", "output", "folder"}, {"sample_dir", "output", "folder"},
    {"fp16", "precision", "compute"}, {"dtype", "precision", "compute"},
    {"precision", "precision", "compute"},
};

const ffcl_config_row *ffcl_config_by_word(const char *word)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(word, words[i].word))
            return ffcl_config_find(words[i].section, words[i].key);
    return NULL;
}
