/* SPDX-License-Identifier: MIT
 * What the published samplers do is from their code, by repository and commit; docs/models.md has
 * the recordings that each row is checked against. */
#include "config_presets.h"

#include <string.h>

/* What only other families have. */
#define NOT_BASE "feat_rope.", "blocks.0.norm1.", "blocks.0.mlp.w12.", "shared_blocks.", "u_heads."

const ffcl_preset ffcl_presets[FFCL_PRESET_COUNT] = {
    [FFCL_PRESET_freeflow] = {
        .name = "freeflow", .title = "FreeFlow",
        .paper = "Flow Map Distillation Without Data, arXiv 2511.19428",
        .repository = "ShangyuanTong/FreeFlow",
        .values = {"model.noise_time=1", "model.update=plus", "sampler.cfg=none",
                   "output.bytes=sit"},
        .embedders = {"?t_embedder=delta", "?delta_embedder=delta", "?dt_embedder=delta",
                      "?w_embedder=guidance", "?cfg_embedder=guidance",
                      "?guidance_embedder=guidance", "?omega_embedder=guidance"},
        .never = {"projectors.", "bn.", "logvar_linear.", "blocks.0.attn.q_norm.", NOT_BASE},
        .one_step = 1, .not_alone = 1,
    },
    [FFCL_PRESET_sit] = {
        .name = "sit", .title = "SiT",
        .paper = "SiT: Exploring Flow and Diffusion-based Generative Models with Scalable "
                 "Interpolant Transformers, arXiv 2401.08740",
        .repository = "willisma/SiT@947f95b",
        .values = {"model.noise_time=0", "model.update=plus", "sampler.cfg=three",
                   "sampler.steps=250", "sampler.solver=euler", "sampler.guidance=4",
                   "sampler.correct_last=yes", "sampler.noise_rows=2", "output.bytes=sit"},
        .embedders = {"t_embedder=t"},
        .never = {"projectors.", "bn.", "logvar_linear.", "blocks.0.attn.q_norm.", NOT_BASE},
    },
    [FFCL_PRESET_repa] = {
        .name = "repa", .title = "REPA",
        .paper = "Representation Alignment for Generation, arXiv 2410.06940",
        .repository = "sihyun-yu/REPA@67f7145",
        .values = {"model.noise_time=1", "model.update=minus", "model.ignore=projectors.*",
                   "sampler.cfg=all", "sampler.steps=250", "sampler.solver=sde",
                   "sampler.guidance=1.8", "sampler.guidance_low=0", "sampler.guidance_high=0.7",
                   "sampler.correct_last=no", "output.bytes=repa"},
        .embedders = {"t_embedder=t"},
        .must = {"projectors."},
        .never = {"bn.", "logvar_linear.", "blocks.0.attn.q_norm.", NOT_BASE},
    },
    [FFCL_PRESET_repae] = {
        .name = "repae", .title = "REPA-E",
        .paper = "REPA-E: Unlocking VAE for End-to-End Tuning with Latent Diffusion Transformers, "
                 "arXiv 2504.10483",
        .repository = "End2End-Diffusion/REPA-E@3ad8046",
        .values = {"model.noise_time=1", "model.update=minus",
                   "model.ignore=projectors.*,bn.*", "sampler.cfg=all",
                   "sampler.steps=250", "sampler.solver=sde", "sampler.guidance=2.5",
                   "sampler.guidance_low=0", "sampler.guidance_high=0.75",
                   "sampler.correct_last=no", "vae.weights=checkpoint", "vae.stats=checkpoint",
                   "output.bytes=repa"},
        .embedders = {"t_embedder=t"},
        .must = {"projectors."},
        .never = {"logvar_linear.", "blocks.0.attn.q_norm.", NOT_BASE},
    },
    [FFCL_PRESET_meanflow] = {
        .name = "meanflow", .title = "MeanFlow (PyTorch)",
        .paper = "Mean Flows for One-step Generative Modeling, arXiv 2505.13447",
        .repository = "zhuyu-cs/MeanFlow@04d183c",
        /* The scale is the published code's, a slip of 0.18215 with which it was evaluated. */
        .values = {"model.noise_time=1", "model.update=minus", "model.ignore=projectors.*",
                   "sampler.cfg=all", "sampler.guidance=1", "vae.scale=0.18125",
                   "output.bytes=repa"},
        .embedders = {"t_embedder=t", "r_embedder=delta"},
        .never = {"bn.", "logvar_linear.", "blocks.0.attn.q_norm.", NOT_BASE},
    },
    [FFCL_PRESET_dmf] = {
        .name = "dmf", .title = "Decoupled MeanFlow",
        .paper = "Decoupled MeanFlow: Turning Flow Models into Flow Maps for Accelerated Sampling, "
                 "arXiv 2510.24474",
        .repository = "kyungmnlee/dmf@a6db0f6",
        .values = {"model.noise_time=1", "model.update=minus", "model.ignore=logvar_linear.*",
                   "sampler.cfg=all", "sampler.guidance=1", "output.bytes=repa"},
        .embedders = {"t_embedder=t, r"},
        .must = {"logvar_linear."},
        .never = {"projectors.", "bn.", NOT_BASE},
    },
    [FFCL_PRESET_soflow] = {
        .name = "soflow", .title = "SoFlow",
        .paper = "SoFlow: Solution Flow Models for One-Step Generative Modeling, arXiv 2512.15657",
        .repository = "zlab-princeton/SoFlow@3b60d60",
        .values = {"model.noise_time=1", "model.update=minus", "sampler.cfg=none",
                   "sampler.solver=renoise", "output.bytes=sit"},
        .embedders = {"t_embedder=t", "s_embedder=delta"},
        .never = {"projectors.", "bn.", "logvar_linear.", "blocks.0.attn.q_norm.", NOT_BASE},
    },
    [FFCL_PRESET_imf] = {
        .name = "imf", .title = "Improved MeanFlow (PyTorch)",
        .paper = "Improved Mean Flows: On the Challenges of Fastforward Generative Models, "
                 "arXiv 2512.02012",
        .repository = "Lyy-iiis/imeanflow@0468798",
        /* Guidance and interval of iMF-B/2; the others' are in config/imf-xl2-256.ini. */
        .values = {"model.noise_time=1", "model.update=minus", "model.latent_size=32",
                   "model.ignore=v_final_layer.*,v_heads.*", "sampler.cfg=none",
                   "sampler.guidance=8", "sampler.guidance_low=0.4", "sampler.guidance_high=0.65",
                   "sampler.rng=per-image-42", "vae.stats=sd-imagenet", "output.bytes=round"},
        .embedders = {"h_embedder=delta", "omega_embedder=omega", "cfg_t_start_embedder=t_min",
                      "cfg_t_end_embedder=t_max"},
        .must = {"class_tokens"}, .never = {"x_embedder.proj1.", "blocks."},
    },
    [FFCL_PRESET_pmf] = {
        .name = "pmf", .title = "Pixel MeanFlow (PyTorch)",
        .paper = "One-step Latent-free Image Generation with Pixel Mean Flows, arXiv 2601.22158",
        .repository = "Lyy-iiis/pMF@990e81a",
        .values = {"model.noise_time=1", "model.update=minus", "model.predicts=data",
                   "model.ignore=v_final_layer.*,v_heads.*", "sampler.cfg=none",
                   "sampler.guidance=7", "sampler.guidance_low=0.2", "sampler.guidance_high=0.6",
                   "sampler.rng=per-image-42", "vae.weights=none", "output.bytes=round"},
        .embedders = {"h_embedder=delta", "omega_embedder=omega", "cfg_t_start_embedder=t_min",
                      "cfg_t_end_embedder=t_max"},
        .must = {"class_tokens&x_embedder.proj1."}, .never = {"blocks."},
    },
    [FFCL_PRESET_lightningdit] = {
        .name = "lightningdit", .title = "LightningDiT",
        .paper = "Reconstruction vs. Generation: Taming Optimization Dilemma in Latent Diffusion "
                 "Models, arXiv 2501.01423",
        .repository = "hustvl/LightningDiT@2725fed",
        /* The published 250 points of time make 249 steps. */
        .values = {"model.noise_time=0", "model.update=plus", "sampler.cfg=three",
                   "sampler.steps=249", "sampler.solver=euler", "sampler.guidance=6.7",
                   "sampler.guidance_low=0.125", "sampler.time_shift=0.3",
                   "sampler.correct_last=yes", "output.bytes=sit"},
        .embedders = {"t_embedder=t"},
        .must = {"feat_rope."},
        /* FACM's: the same options in LightningDiT's code have no published checkpoint. */
        .never = {"projectors.", "bn.", "logvar_linear.", "shared_blocks.", "u_heads.",
                  "blocks.0.attn.q_norm.weight&blocks.0.norm1."},
    },
    [FFCL_PRESET_facm] = {
        .name = "facm", .title = "FACM",
        .paper = "Flow-Anchored Consistency Models, arXiv 2507.03738",
        .repository = "ali-vilab/FACM@9be03f7",
        .values = {"model.noise_time=0", "model.update=plus", "sampler.cfg=all",
                   "sampler.steps=2", "sampler.solver=renoise", "sampler.guidance=1",
                   "sampler.guidance_low=0.125", "sampler.guidance_gate=evaluation",
                   "sampler.correct_last=no", "output.bytes=repa"},
        .embedders = {"t_embedder=t", "?r_embedder=goal"},
        .must = {"feat_rope.&blocks.0.attn.q_norm.weight&blocks.0.norm1."},
        .never = {"projectors.", "bn.", "logvar_linear.", "shared_blocks.", "u_heads.",
                  "blocks.0.attn.q_norm.bias"},
        .prefix = "ema_models.1.ema_model.",    /* of two widths of PostHocEMA */
    },
    [FFCL_PRESET_dit] = {
        .name = "dit", .title = "DiT",
        .paper = "Scalable Diffusion Models with Transformers, arXiv 2212.09748",
        .repository = "facebookresearch/DiT@ed81ce2",
        .values = {"model.noise_time=1", "sampler.cfg=three", "sampler.steps=250",
                   "sampler.guidance=4", "output.bytes=sit"},
        .embedders = {"t_embedder=t"},
        .never = {"projectors.", "bn.", "logvar_linear.", "blocks.0.attn.q_norm.", NOT_BASE},
        .refused = "a DiT predicts the noise of a diffusion of 1000 steps, not a velocity, though "
                   "its tensors are called as SiT's, and its own sampler, DDPM, is not here: set "
                   "solver = ddim under [sampler] for the other one of its code",
    },
};

const ffcl_preset *ffcl_preset_of(const ffcl_config *cfg)
{
    return cfg->model.preset == FFCL_PRESET_AUTO ? NULL : &ffcl_presets[cfg->model.preset];
}

const char *ffcl_preset_embedder(const ffcl_preset *preset, const char *prefix, int *is_optional)
{
    const size_t n = strlen(prefix);
    for (const char *const *line = preset->embedders; *line; line++) {
        const char *text = *line + (**line == '?');
        if (strncmp(text, prefix, n) == 0 && text[n] == '=') {
            if (is_optional)
                *is_optional = **line == '?';
            return text + n + 1;
        }
    }
    return NULL;
}
