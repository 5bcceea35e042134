#!/bin/bash
# SPDX-License-Identifier: MIT
# The table family x recording x error of docs/models.md, as Markdown, from ffcl verify on the
# device that is there: bash tests/families_table.sh [BUILD]
# Numbers are the largest relative L2 differences; a recording that disagrees ends it with 1.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
ffcl=${1:-build}/ffcl
zoo=tests/data/zoo
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
failed=0

# The largest difference among the tensors of a kind, "-" where there are none; bytes: the share.
largest() { # KIND
    awk -v kind="$1" '
        function kind_of(name) {
            if (name ~ /^bytes/) return "bytes"
            if (name ~ /^image/ || name ~ /^samples_u8/) return name ~ /u8/ ? "bytes" : "image"
            if (name ~ /^(out|act|F$)/) return "network"
            return "latents"
        }
        $2 == "rel" && kind_of($1) == kind { n++; if ($3 + 0 > most) most = $3 + 0 }
        END { if (n) printf "%.1e", most; else printf "-" }' "$lines"
}

row() { # PRESET RECORDING OF ARGUMENT...
    local preset=$1 recording=$2 of=$3 compute cells='' kind
    shift 3
    for compute in float32 half; do
        "$ffcl" verify -q "$recording" "$@" precision.compute=$compute > "$lines" 2> /dev/null ||
            { failed=1 && echo "families_table.sh: $recording fails in $compute" >&2; }
        cells+=" | $(tail -n 1 "$lines" | sed 's/ tensors ok, 0 failed//')"
        for kind in network latents image; do cells+=" | $(largest $kind)"; done
    done
    recording=${recording##*/}
    echo "| $preset | ${recording%.ref.safetensors} | $of$cells |"
}

echo "| preset | recording | of | float32: ok | network | latents | image | half: ok | network | \
latents | image |"
echo "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
family() { # PRESET STEM OF [ENDING]
    local more=()
    # Where there is no VAE of the recording's own, latents are what is compared.
    [ -s "$zoo/$2.latents_stats.pt" ] && more=(vae.stats="$zoo/$2.latents_stats.pt")
    [ "$1" = imf ] && more=(model.latent_size=8)
    [ "$1" = dit ] && more=(sampler.solver=ddim)
    row "\`$1\`" "$zoo/$2.ref.safetensors" "$3" model.preset="$1" \
        model.checkpoint="$zoo/$2.${4:-pt}" ${more[@]+"${more[@]}"}
}
family sit sit_zoo willisma/SiT@947f95b
family repa repa_zoo sihyun-yu/REPA@67f7145
family repae repae_zoo End2End-Diffusion/REPA-E@3ad8046
family meanflow meanflow_zoo zhuyu-cs/MeanFlow@04d183c
family dmf dmf_zoo kyungmnlee/dmf@a6db0f6
family dmf dmf_zoo_qknorm "the same, with normed heads"
family soflow soflow_zoo zlab-princeton/SoFlow@3b60d60
family imf imf_zoo "Lyy-iiis/imeanflow@0468798, branch torch" pth
family pmf pmf_zoo "Lyy-iiis/pMF@990e81a, branch torch"
family lightningdit lightningdit_zoo "hustvl/LightningDiT@2725fed, the published options"
family lightningdit lightningdit_zoo_b "the same: layer norm, normed heads, no shifts"
family facm facm_zoo "ali-vilab/FACM@9be03f7, as published"
family facm facm_zoo_r "the same with \`r_embedder\`"
family dit dit_zoo "facebookresearch/DiT@ed81ce2, by DDIM" pt
for vae in "vae16_zoo safetensors huggingface/diffusers, 16 channels, shift" \
    "sdvae_ldm_zoo ckpt sd-vae with LDM names" "vavae_zoo pt VA-VAE, 32 channels" \
    "vavae_zoo_g32 pt VA-VAE, 32 groups" "tiny_zoo pth madebyollin/taesd@5cccb12, narrow" \
    "tiny16_zoo safetensors the same, 16 channels, a shortcut, diffusers' names"; do
    read -r stem ending of <<< "$vae"
    row "(VAE)" "$zoo/$stem.ref.safetensors" "$of" vae.weights="$zoo/$stem.$ending"
done
exit $failed
