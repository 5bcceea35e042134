#!/bin/bash
# SPDX-License-Identifier: MIT
# Transformers with other blocks than SiT's: LightningDiT, FACM, iMF, pMF, DMF with normed heads.
. "$(dirname "$0")/lib.sh"

zoo=$data/zoo

# agrees NAME OK RECORDING PRESET CHECKPOINT ARGUMENT...
agrees() {
    local name=$1 want=$2 reference=$3 preset=$4 file=$5
    shift 5
    run verify -q "$zoo/$reference.ref.safetensors" model.checkpoint="$zoo/$file" \
        model.preset="$preset" "$@"
    if [ "$code" = 0 ] && [ "$(tail -n 1 "$work/stdout")" = "$want tensors ok, 0 failed" ]; then
        ok "$name"
    else
        not_ok "$name" "the last line is not \"$want tensors ok, 0 failed\""
    fi
}

need_device

for precision in float32 half; do
    p=precision.compute=$precision
    agrees "iMF, $precision" 15 imf_zoo imf imf_zoo.pth model.latent_size=8 $p
    agrees "pMF, $precision" 13 pmf_zoo pmf pmf_zoo.pt $p
    agrees "LightningDiT, $precision" 19 lightningdit_zoo lightningdit lightningdit_zoo.pt \
        vae.stats="$zoo/lightningdit_zoo.latents_stats.pt" $p
    agrees "LightningDiT, layer norm and normed heads, $precision" 18 lightningdit_zoo_b \
        lightningdit lightningdit_zoo_b.pt $p
    agrees "FACM, $precision" 25 facm_zoo facm facm_zoo.pt \
        vae.stats="$zoo/facm_zoo.latents_stats.pt" $p
    agrees "FACM with r_embedder, $precision" 24 facm_zoo_r facm facm_zoo_r.pt $p
    agrees "DMF, normed heads, $precision" 17 dmf_zoo_qknorm dmf dmf_zoo_qknorm.pt $p
done

# ---- by other kernels, and without what a CPU library has ----

FFCL_VARIANTS="layernorm=group, qk_norm=group, attention=row" \
    agrees "iMF by the kernels for GPUs" 15 imf_zoo imf imf_zoo.pth model.latent_size=8
FFCL_VARIANTS="layernorm=kept, qk_norm=group, attention=tiled" \
    agrees "FACM by the kernels for GPUs" 24 facm_zoo_r facm facm_zoo_r.pt
FFCL_VARIANTS="layernorm=kept" \
    agrees "LightningDiT without shifts by the kernels for GPUs" 18 lightningdit_zoo_b \
    lightningdit lightningdit_zoo_b.pt blas.backend=builtin

# ---- images without a decoder, of the published noise ----

cat > pmf.ini << END
[model]
checkpoint = $zoo/pmf_zoo.pt
preset = pmf
heads = 4
noise_scale = 1
[sampler]
classes = 0, 9
guidance = 7.5
guidance_low = 0.1
guidance_high = 0.7
[output]
grid =
npz = a.npz
END
works "pMF: images" pmf.ini precision.compute=float32
same "pMF: the recorded bytes" \
    "$(images recorded a.npz "$zoo/pmf_zoo.ref.safetensors" bytes_steps1)" 0
works "pMF: images one by one" pmf.ini precision.compute=float32 sampler.batch=1 output.npz=b.npz
same "pMF: the recorded bytes one by one" \
    "$(images recorded b.npz "$zoo/pmf_zoo.ref.safetensors" bytes_steps1)" 0
works "pMF: four times the noise" pmf.ini model.noise_scale=4 output.npz=c.npz
same "pMF: other bytes with four times the noise" \
    "$(($(images recorded c.npz "$zoo/pmf_zoo.ref.safetensors" bytes_steps1) > 1000))" 1
refuses "pMF of a size whose noise is not known" 3 noise_scale "width 64" -- pmf.ini \
    model.noise_scale=auto output.npz="$out/d.npz"
refuses "no decoder for latents of four channels" 3 "weights = none" "4 channels" -- pmf.ini \
    model.preset=imf model.checkpoint="$zoo/imf_zoo.pth" model.latent_size=8 vae.weights=none \
    output.npz="$out/d.npz"
refuses "guidance 0 for an embedder of 1 - 1 / guidance" 3 "guidance = 0" omega_embedder -- \
    pmf.ini sampler.guidance=0 output.npz="$out/d.npz"
refuses "pMF by a solver for velocities" 3 "predicts = data" -- pmf.ini sampler.solver=renoise \
    sampler.steps=2 output.npz="$out/d.npz"
refuses "iMF without a latent size" 3 latent_size -- pmf.ini model.preset=imf \
    model.checkpoint="$zoo/imf_zoo.pth" model.latent_size=auto vae.weights="$demo_vae" \
    output.npz="$out/d.npz"

# ---- a file of another family ----

declare -A file=([imf]=imf_zoo.pth [pmf]=pmf_zoo.pt [lightningdit]=lightningdit_zoo.pt
    [facm]=facm_zoo.pt [dmf]=dmf_zoo_qknorm.pt)
for preset in imf pmf lightningdit facm dmf sit repa meanflow soflow freeflow; do
    for family in imf pmf lightningdit facm dmf; do
        [ $preset = $family ] ||
            refuses "preset $preset for a file of $family" 3 "no checkpoint for" "$preset" -- \
                pmf.ini model.preset=$preset model.checkpoint="$zoo/${file[$family]}" \
                output.npz="$out/d.npz"
    done
done
refuses "FACM for LightningDiT with normed heads" 3 "no checkpoint for" -- \
    pmf.ini model.preset=facm model.checkpoint="$zoo/lightningdit_zoo_b.pt" output.npz="$out/d.npz"
for family in imf pmf; do
    refuses "preset auto names $family, as embedders called h_ differ" 3 \
        "one that fits: $family" -- \
        pmf.ini model.preset=auto model.checkpoint="$zoo/${file[$family]}" output.npz="$out/d.npz"
done

finish
