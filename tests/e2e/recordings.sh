#!/bin/bash
# SPDX-License-Identifier: MIT
# Every recorded output of the original models: `ffcl verify` finds it right, and finds a wrong one.
. "$(dirname "$0")/lib.sh"

# agrees NAME OK ARGUMENT...: verify says that OK tensors agree and none fails.
agrees() {
    local name=$1 want=$2 reasons=()
    shift 2
    run verify -q "$@"
    [ "$code" = 0 ] || reasons+=("exit code $code, not 0")
    [ "$(tail -n 1 "$work/stdout")" = "$want tensors ok, 0 failed" ] ||
        reasons+=("the last line is not \"$want tensors ok, 0 failed\"")
    [ "$(grep -c ' ok$' "$work/stdout")" = "$want" ] || reasons+=("not $want lines that end in ok")
    [ ! -s "$work/stderr" ] || reasons+=("something on stderr")
    if [ ${#reasons[@]} = 0 ]; then
        ok "$name"
    else
        not_ok "$name" "${reasons[@]}"
    fi
}

# These need no device: they come first.
agrees "torch's generators" 96 "$data/torch_rng.safetensors"
agrees "bytes and grid" 2 "$data/images.safetensors"
agrees "position embeddings" 2 "$data/pos_embed.safetensors"
OCL_ICD_VENDORS=/nonexistent agrees "generators without any OpenCL platform" 96 \
    "$data/torch_rng.safetensors"

need_device

agrees "SiT h64 p2 sigma, .pt" 8 "$data/sit_h64_p2_sigma.ref.safetensors" \
    model.checkpoint="$data/sit_h64_p2_sigma.pt"
edit "$data/sit_h64_p2_sigma.pt" h64.safetensors
agrees "SiT h64 p2 sigma, .safetensors" 8 "$data/sit_h64_p2_sigma.ref.safetensors" \
    model.checkpoint=h64.safetensors
agrees "SiT h144 p2, .pt" 7 "$data/sit_h144_p2.ref.safetensors" \
    model.checkpoint="$data/sit_h144_p2.pt"
agrees "SiT h96 p4 bfloat16, .pt" 7 "$data/sit_h96_p4_bf16.ref.safetensors" \
    model.checkpoint="$data/sit_h96_p4_bf16.pt"
edit "$data/sit_h96_p4_bf16.pt" h96.safetensors
agrees "SiT h96 p4 bfloat16, .safetensors" 7 "$data/sit_h96_p4_bf16.ref.safetensors" \
    model.checkpoint=h96.safetensors
agrees "VAE small" 7 "$data/vae_small.ref.safetensors" vae.weights="$data/vae_small.safetensors"
agrees "VAE with the old attention names" 6 "$data/vae_legacy.ref.safetensors" \
    vae.weights="$data/vae_legacy.safetensors"
for seed in 1 2; do
    agrees "demo, seed $seed" 4 "$data/demo_seed$seed.ref.safetensors" "$demo"
    agrees "demo, seed $seed, guidance of each image" 4 "$data/demo_seed$seed.ref.safetensors" \
        "$demo" sampler.guidance=1.5
    same "demo, seed $seed: the teacher's tensors are shown" \
        "$(grep -c '^teacher_.* not checked$' "$work/stdout")" 3
    agrees "the demo's teacher, seed $seed: euler and heun in 10, 25 and 50 steps" 3 \
        "$data/demo_seed$seed.ref.safetensors" "$root/config/demo-teacher.ini"
done

# ---- half storage, by the plain kernels where there is no matrix unit ----

agrees "SiT h144 p2 in half" 7 "$data/sit_h144_p2.ref.safetensors" \
    model.checkpoint="$data/sit_h144_p2.pt" precision.compute=half
agrees "VAE small in half" 7 "$data/vae_small.ref.safetensors" \
    vae.weights="$data/vae_small.safetensors" precision.compute=half
agrees "VAE with 12 x 12 latents in half" 6 "$data/vae_legacy.ref.safetensors" \
    vae.weights="$data/vae_legacy.safetensors" precision.compute=half
agrees "demo in half" 4 "$data/demo_seed1.ref.safetensors" "$demo" precision.compute=half

# On a GPU without one convolutions and attention take other roads.
if build_device_shim; then
    plain=$ffcl ffcl=$work/on_plain_gpu
    printf '#!/bin/sh\nFFCL_SHIM_DEVICE=gpu LD_PRELOAD=%s exec %s "$@"\n' "$shim_device" "$plain" \
        > "$ffcl"
    chmod +x "$ffcl"
    agrees "VAE small in half on a GPU without a matrix unit" 7 \
        "$data/vae_small.ref.safetensors" vae.weights="$data/vae_small.safetensors" \
        precision.compute=half
    agrees "VAE with 12 x 12 latents in half there" 6 "$data/vae_legacy.ref.safetensors" \
        vae.weights="$data/vae_legacy.safetensors" precision.compute=half
    ffcl=$plain
else
    skip "half on a GPU without a matrix unit" "no shim under a sanitizer"
fi

# ---- what is wrong is found ----

disagrees() { # NAME FAILED-TENSOR ARGUMENT...
    local name=$1 tensor=$2 reasons=()
    shift 2
    run verify -q "$@"
    [ "$code" = 13 ] || reasons+=("exit code $code, not 13")
    grep -q "^$tensor .*FAILED$" "$work/stdout" || reasons+=("no line \"$tensor ... FAILED\"")
    [ "$(grep -c FAILED "$work/stdout")" = 1 ] || reasons+=("not exactly one line FAILED")
    grep -q '1 of [0-9]* tensors of .* are not as recorded' "$work/stderr" ||
        reasons+=("no sentence on stderr")
    if [ ${#reasons[@]} = 0 ]; then
        ok "$name"
    else
        not_ok "$name" "${reasons[@]}"
    fi
}

sit=(model.checkpoint=h64.safetensors)
vae=(vae.weights="$data/vae_small.safetensors")
edit "$data/sit_h64_p2_sigma.ref.safetensors" a.safetensors set=out:5:99
disagrees "one changed value of a SiT output" out a.safetensors "${sit[@]}"
edit "$data/sit_h64_p2_sigma.ref.safetensors" a.safetensors set=act.block1:0:nan
disagrees "a NaN in a recorded activation" act.block1 a.safetensors "${sit[@]}"
edit "$data/sit_h64_p2_sigma.ref.safetensors" a.safetensors add=act.block7:2x3
disagrees "an unknown tensor" act.block7 a.safetensors "${sit[@]}"
edit "$data/sit_h64_p2_sigma.ref.safetensors" a.safetensors reshape=out:2x8x8x8
disagrees "an output of another size" out a.safetensors "${sit[@]}"
edit "$data/vae_small.ref.safetensors" a.safetensors set=act.up1:0:99
disagrees "one changed value of a VAE activation" act.up1 a.safetensors "${vae[@]}"
edit "$data/demo_seed1.ref.safetensors" a.safetensors set=latent:7:99
disagrees "one changed value of the demo's latents" latent a.safetensors "$demo"
edit "$data/torch_rng.safetensors" a.safetensors set=cpu.seed42.3x5.first:3:0.5
disagrees "one changed value of a generator" cpu.seed42.3x5.first a.safetensors

run verify -q "$data/vae_small.ref.safetensors" "${vae[@]}" --tolerance 1e-12
same "--tolerance 1e-12: exit code" "$code" 13
same "--tolerance 1e-12: everything fails" "$(tail -n 1 "$work/stdout")" "0 tensors ok, 7 failed"
edit "$data/vae_small.ref.safetensors" a.safetensors set=act.up1:0:99
works "--tolerance 10 lets a changed value pass" verify -q a.safetensors "${vae[@]}" --tolerance 10

edit "$data/sit_h64_p2_sigma.ref.safetensors" a.safetensors reshape=x:2x4x4x4
refuses "inputs of another size than the model's" 6 a.safetensors "(N, 4, 16, 16)" -- \
    verify a.safetensors "${sit[@]}"
edit "$data/sit_h64_p2_sigma.ref.safetensors" a.safetensors reshape=t:1
refuses "fewer times than inputs" 5 a.safetensors "t does not have" -- \
    verify a.safetensors "${sit[@]}"
edit "$data/sit_h64_p2_sigma.ref.safetensors" a.safetensors 'drop=^[xty]$'
refuses "a recording of nothing known" 5 a.safetensors "no recording that verify knows" -- \
    verify a.safetensors "${sit[@]}"
refuses "a recording that is not there" 4 gone.safetensors -- verify gone.safetensors
refuses "a model's weights instead of a recording" 5 "no recording" -- \
    verify "$data/vae_small.safetensors"
edit "$data/images.safetensors" a.safetensors reshape=x:3
refuses "images of the wrong rank" 5 a.safetensors "x is not" -- verify a.safetensors
edit "$data/torch_rng.safetensors" a.safetensors note=sms:0
refuses "a card without multiprocessors" 5 a.safetensors "sms" "no number from 1" -- \
    verify a.safetensors
for shape in 3 2x4x64x64 2x4x0x8; do
    edit "$data/vae_small.ref.safetensors" a.safetensors add=z_normalised:$shape
    refuses "normalised latents of another shape than the latents, $shape" 5 a.safetensors \
        "z_normalised is not of the shape of z" -- verify a.safetensors "${vae[@]}"
done
edit "$data/zoo/vavae_zoo.ref.safetensors" a.safetensors reshape=latent_mean:3
refuses "fewer means than channels" 5 a.safetensors "latent_mean does not have one value" -- \
    verify a.safetensors vae.weights="$data/zoo/vavae_zoo.pt"
edit "$data/zoo/repae_zoo.ref.safetensors" a.safetensors reshape=image:1 drop=^bytes$
disagrees "an image of one value" image a.safetensors model.preset=repae \
    model.checkpoint="$data/zoo/repae_zoo.pt"

finish
