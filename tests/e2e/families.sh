#!/bin/bash
# SPDX-License-Identifier: MIT
# Checkpoints of other families: recordings of their published code, presets that fit and do not.
. "$(dirname "$0")/lib.sh"
zoo=$data/zoo

# agrees NAME OK ARGUMENT...: verify says that OK tensors agree and none fails.
agrees() {
    local name=$1 want=$2
    shift 2
    run verify -q "$@"
    if [ "$code" = 0 ] && [ "$(tail -n 1 "$work/stdout")" = "$want tensors ok, 0 failed" ]; then
        ok "$name"
    else
        not_ok "$name" "not \"$want tensors ok, 0 failed\""
    fi
}

agrees "byte rules" 3 "$zoo/bytes_zoo.ref.safetensors"

need_device

declare -A tensors=([sit]=25 [repa]=28 [meanflow]=8 [dmf]=18 [soflow]=6 [repae]=10)
for family in sit repa meanflow dmf soflow repae; do
    for compute in float32 half; do
        agrees "$family, $compute" "${tensors[$family]}" "$zoo/${family}_zoo.ref.safetensors" \
            model.preset=$family model.checkpoint="$zoo/${family}_zoo.pt" \
            precision.compute=$compute
    done
done
for compute in float32 half; do
    agrees "dit by DDIM, as asked for, $compute" 11 "$zoo/dit_zoo.ref.safetensors" \
        model.preset=dit sampler.solver=ddim model.checkpoint="$zoo/dit_zoo.pt" \
        precision.compute=$compute
done
agrees "repae with a file of statistics" 10 "$zoo/repae_zoo.ref.safetensors" model.preset=repae \
    model.checkpoint="$zoo/repae_zoo.pt" vae.stats="$zoo/repae_zoo-vae-latents-stats.pt"
agrees "VAE of 16 latent channels, as wide as a layer" 8 "$zoo/vae16_zoo.ref.safetensors" \
    vae.weights="$zoo/vae16_zoo.safetensors"
agrees "VAE with LDM names in a .ckpt" 4 "$zoo/sdvae_ldm_zoo.ref.safetensors" \
    vae.weights="$zoo/sdvae_ldm_zoo.ckpt"
agrees "VA-VAE" 7 "$zoo/vavae_zoo.ref.safetensors" vae.weights="$zoo/vavae_zoo.pt"
agrees "VA-VAE, statistics of a file" 7 "$zoo/vavae_zoo.ref.safetensors" \
    vae.weights="$zoo/vavae_zoo.pt" vae.stats="$zoo/vavae_zoo.latents_stats.pt"
agrees "VA-VAE, flat file" 6 "$zoo/vavae_zoo_g32.ref.safetensors" \
    vae.weights="$zoo/vavae_zoo_g32.pt"
for compute in float32 half; do
    agrees "tiny decoder, TAESD's own names, $compute" 6 "$zoo/tiny_zoo.ref.safetensors" \
        vae.weights="$zoo/tiny_zoo.pth" precision.compute=$compute
    agrees "tiny decoder, diffusers' names, 16 latent channels, $compute" 4 \
        "$zoo/tiny16_zoo.ref.safetensors" vae.weights="$zoo/tiny16_zoo.safetensors" \
        precision.compute=$compute
done
for backend in builtin clblast; do
    agrees "tiny decoder, $backend" 6 "$zoo/tiny_zoo.ref.safetensors" \
        vae.weights="$zoo/tiny_zoo.pth" blas.backend=$backend
done

# A tiny decoder with a generator: the latent as it is made, whatever the batch, also after a stop.
tiny=(-q "$demo" vae.weights="$zoo/tiny_zoo.pth" output.grid=)
works "tiny decoder: images of the demo's transformer" "${tiny[@]}" output.folder=tiny \
    sampler.count=5 sampler.batch=1
works "tiny decoder: the same in a batch" "${tiny[@]}" output.folder=tiny5 sampler.count=5 \
    sampler.batch=5
works "tiny decoder: two images" "${tiny[@]}" output.folder=tiny2 sampler.count=2
works "tiny decoder: enlarged" "${tiny[@]}" output.folder=tiny2 sampler.count=5
for i in 0 1 2 3 4; do
    check "tiny decoder: image $i in a batch" cmp tiny/00000$i.png tiny5/00000$i.png
    check "tiny decoder: image $i after a resume" cmp tiny/00000$i.png tiny2/00000$i.png
done
run sample "${tiny[@]}" output.folder=tiny3 vae.scale=1 vae.shift=0 sampler.count=1
check "tiny decoder: the same with the scale that is its own" cmp tiny/000000.png tiny3/000000.png
run sample "${tiny[@]:1}" output.folder=tiny4 vae.groups=8 sampler.count=1
same "tiny decoder: groups have no effect, which is said" \
    "$code $(grep -c 'without effect here: .vae. groups.*no group norms' "$work/stderr")" "0 1"
refuses "tiny decoder: the scale of an autoencoder is not applied" 3 "is a tiny decoder" \
    "vae.scale=1" -- "${tiny[@]}" vae.scale=0.18215 output.grid="$out/a.png"
refuses "tiny decoder: nor a preset's mean and deviation" 3 "is a tiny decoder" "[vae] stats" -- \
    "${tiny[@]}" vae.stats=sd-imagenet output.grid="$out/a.png"

cp "$zoo/tiny16_zoo.safetensors" other.safetensors
for change in 's/"relu"/"silu"/' 's/nearest/bilinear/' 's/AutoencoderTiny/AutoencoderKL/' \
    's/"upsampling_scaling_factor": 2/"upsampling_scaling_factor": 4/' \
    's/"latent_channels": 16/"latent_channels": 4/'; do
    sed "$change" "$zoo/tiny16_zoo.config.json" > other.config.json
    check "tiny decoder, config.json by $change: it is another" \
        sh -c "! cmp -s other.config.json '$zoo/tiny16_zoo.config.json'"
    refuses "tiny decoder, config.json by $change: refused" 6 "other.config.json gives" -- \
        verify -q "$zoo/tiny16_zoo.ref.safetensors" vae.weights=other.safetensors
done

edit "$zoo/tiny16_zoo.safetensors" pool.safetensors \
    add=decoder.layers.3.pool.0.weight:48x12x1x1 add=decoder.layers.3.pool.1.weight:48 \
    add=decoder.layers.3.pool.1.bias:48 add=decoder.layers.3.pool.3.weight:12x48x1x1
refuses "tiny decoder: one with group norms" 6 "group norms (decoder.layers.3.pool.0.weight), as \
the one for FLUX.2" -- verify -q "$zoo/tiny16_zoo.ref.safetensors" vae.weights=pool.safetensors

agrees "VAE of 16 latent channels in half" 8 "$zoo/vae16_zoo.ref.safetensors" \
    vae.weights="$zoo/vae16_zoo.safetensors" precision.compute=half

# ---- every preset with every file: the published result, or an error -------------------------

vae=(vae.weights="$demo_vae")
n_pairs=0
for stem in sit_zoo repa_zoo meanflow_zoo dmf_zoo dmf_zoo_qknorm soflow_zoo repae_zoo imf_zoo \
    pmf_zoo lightningdit_zoo lightningdit_zoo_b facm_zoo facm_zoo_r dit_zoo freeflow; do
    recording=$zoo/$stem.ref.safetensors checkpoint=$zoo/$stem.pt
    [ $stem = imf_zoo ] && checkpoint=${checkpoint}h
    [ $stem = freeflow ] && recording=$data/demo_seed1.ref.safetensors checkpoint=$demo_sit
    family=${stem%%_*} wrong=()
    for preset in freeflow sit repa repae meanflow dmf soflow imf pmf lightningdit facm dit; do
        [ $preset = $family ] && continue       # the rows above, and blocks.sh
        run verify -q "$recording" model.preset=$preset model.checkpoint="$checkpoint" \
            model.heads=2 model.split=3 model.latent_size=8 "${vae[@]}"
        n_pairs=$((n_pairs + 1))
        { [ "$code" = 3 ] || [ "$code" = 6 ]; } && [ -s "$work/stderr" ] &&
            ! grep -q ' ok$\|FAILED$' "$work/stdout" || wrong+=("$preset: exit code $code")
    done
    if [ ${#wrong[@]} = 0 ]; then
        ok "$stem: every other preset is refused before anything is computed"
    else
        not_ok "$stem: every other preset is refused" "${wrong[@]}"
    fi
done
same "files times presets, but each file's own" $n_pairs $((15 * 11))
for file in sit repa meanflow dmf soflow repae freeflow; do
    checkpoint=$zoo/${file}_zoo.pt
    [ $file = freeflow ] && checkpoint=$demo_sit
    # Without a preset only what can be of one family alone is sampled.
    run -q "$demo" model.preset=auto model.checkpoint="$checkpoint" model.heads=2 \
        output.grid=auto.png
    if [ $file = freeflow ]; then
        same "$file without a preset is sampled, as [condition] says what it is" "$code" 0
    else
        [ $file = sit ] ||      # which [condition] makes a FreeFlow student
            same "$file without a preset, but with FreeFlow's [condition], is refused" "$code" 3
    fi
done

ini() { # LINE...: an INI file
    printf '%s\n' "$@" > a.ini
}
for file in sit meanflow soflow; do
    ini "[model]" "checkpoint = $zoo/${file}_zoo.pt" "heads = 2" "[vae]" "weights = $demo_vae"
    case $file in
    sit) words=("freeflow, sit, dit" "set preset") ;;
    meanflow) words=(r_embedder "set preset under [model] to one that fits: meanflow"
        "\"r_embedder = delta\"") ;;
    soflow) words=(s_embedder "soflow") ;;
    esac
    refuses "$file without a preset" 3 "${words[@]}" -- a.ini output.grid="$out/a.png"
done
refuses "a DiT" 3 "predicts the noise" "solver = ddim" -- a.ini model.preset=dit \
    output.grid="$out/a.png"

# ---- DDIM, where it is asked for ----------------------------------------------------------------

ini "[model]" "checkpoint = $zoo/dit_zoo.pt" "preset = dit" "heads = 2" "[vae]" \
    "weights = $demo_vae" "[sampler]" "solver = ddim" "steps = 5" "classes = 0-3" "[output]" \
    "grid ="
for batch in 1 3; do
    works "a DiT by DDIM, batches of $batch" a.ini sampler.batch=$batch output.folder=ddim$batch
done
check "its evaluations are counted" grep -q "5 steps, 10 evaluations of the model an image" \
    "$work/stderr"
check "the images are the same in both" cmp ddim1/000003.png ddim3/000003.png
for key in sampler.steps=1 sampler.steps=1001 sampler.times=1,0.5,0 sampler.time_shift=0.5; do
    refuses "DDIM with $key" 3 "2 to 1000 steps, at uniform times" -- a.ini $key \
        output.grid="$out/a.png"
done
refuses "DDIM for a velocity" 3 "solver = ddim is for networks that predict noise" -- a.ini \
    model.preset=repa model.checkpoint="$zoo/repa_zoo.pt" model.heads=4 output.grid="$out/a.png"

# ---- steps ------------------------------------------------------------------------------------

# The demo's latents are 4 x 8 x 8: a SiT of that size is what the recordings of REPA have.
ini "[model]" "checkpoint = $zoo/repa_zoo.pt" "preset = repa" "heads = 4" "[vae]" \
    "weights = $demo_vae" "scale = 0.18215" "[sampler]" "classes = 0-5" "steps = 4" "[output]" \
    "grid ="
for solver in euler heun sde; do
    for batch in 1 2 6; do
        works "repa, $solver, batches of $batch" -q a.ini sampler.solver=$solver \
            sampler.batch=$batch output.folder=$solver$batch
    done
    for i in 000000 000003 000005; do
        for batch in 2 6; do
            check "image $i of $solver is the same in batches of 1 and $batch" \
                cmp ${solver}1/$i.png ${solver}$batch/$i.png
        done
    done
done
rm sde6/000002.png sde6/000004.png
works "a run of several steps resumes" -q a.ini sampler.solver=sde sampler.batch=1 \
    output.folder=sde6
check "with the same images" cmp sde6/000002.png sde1/000002.png

# By several devices and processes the same images, later noise included.
spread() { # FOLDER: its images are those of sde1
    local i
    for i in 0 1 2 3 4 5; do
        cmp "$1/00000$i.png" "sde1/00000$i.png" || return 1
    done
}
if [ "$("$ffcl" devices | grep -c 'Portable Computing Language')" != 0 ]; then
    POCL_DEVICES="pthread pthread" works "several steps by two devices" -q a.ini \
        sampler.solver=sde sampler.batch=2 output.folder=both device.select=all
    check "the same images by two devices" spread both
else
    skip "several steps by two devices" "PoCL is not installed"
fi
if [ -x "$build/ffcl-mpi" ] && command -v mpirun > /dev/null; then
    mpi 2 -q a.ini sampler.solver=sde sampler.batch=1 output.folder=ranks
    same "several steps by two processes" "$code" 0
    check "the same images by two processes" spread ranks
else
    skip "several steps by two processes" "mpirun or a build with MPI is missing"
fi
refuses "other steps are another sample set" 17 "sampler.steps was 4 and is 5" -- \
    a.ini sampler.solver=sde sampler.steps=5 output.folder=sde6
run a.ini sampler.solver=heun output.folder=heun7
check "evaluations are counted" grep -q "4 steps, 1[0-9] evaluations of the model an image" \
    "$work/stderr"
check "what was taken of the file is said" grep -q "^weights: ema (of " "$work/stderr"
check "what the preset stands for is said" grep -q "^preset repa (INI file): .*noise_time = 1.*; \
INI file: .*steps = 4; command line: solver = heun$" \
    "$work/stderr"
for key in sampler.guidance=0.5 sampler.guidance=-2 \
    "sampler.guidance_low=0.8 sampler.guidance_high=0.2"; do
    # shellcheck disable=SC2086 # two keys
    run a.ini sampler.solver=euler output.grid=unguided.png $key
    same "$key: nothing is guided, which is said" \
        "$code $(grep -c '^guidance = .* guides no step: ' "$work/stderr")" "0 1"
    rm unguided.png
done
for guidance in 1 1.8; do
    run a.ini sampler.solver=euler output.grid=unguided.png sampler.guidance=$guidance
    same "guidance = $guidance: nothing is to be said" \
        "$code $(grep -c 'guides no step' "$work/stderr")" "0 0"
    rm unguided.png
done
run a.ini sampler.solver=euler output.grid=times.png sampler.steps=7 sampler.times=1,0.5,0
same "steps and times that differ: times counts, which is said" \
    "$code $(grep -c 'without effect here: .sampler. steps (times says' "$work/stderr")" "0 1"
refuses "an SDE of one step" 3 "two steps or more" -- a.ini sampler.solver=sde sampler.steps=1 \
    output.grid="$out/a.png"
refuses "FreeFlow in two steps" 3 "in one step" -- "$demo" sampler.steps=2 \
    output.grid="$out/a.png"
refuses "Heun for a flow map" 3 "t_embedder" -- a.ini model.preset=dmf model.split=3 \
    model.checkpoint="$zoo/dmf_zoo.pt" model.heads=3 sampler.solver=heun output.grid="$out/a.png"
refuses "DMF without its block" 3 "set split under [model], from 1 to 4" -- a.ini \
    model.preset=dmf model.checkpoint="$zoo/dmf_zoo.pt" model.heads=3 sampler.solver=euler \
    output.grid="$out/a.png"
refuses "a wrapper that is not there" 5 "under gone" -- a.ini model.wrapper=gone \
    output.grid="$out/a.png"
refuses "a prefix that is not there" 3 "leads to no transformer" -- a.ini model.prefix=gone. \
    output.grid="$out/a.png"
# ---- several values of a key side by side -----------------------------------------------------

teacher=$root/config/demo-teacher.ini
works "the demo's teacher in several steps" -q "$teacher" output.grid=teacher.png
images cells teacher.png 5 50 cells
for column in "0 1" "2 4" "4 50"; do
    read -r at steps <<< "$column"
    works "in $steps steps alone" -q "$teacher" sampler.steps=$steps output.compare=none \
        output.columns=10 output.grid="t$steps.png"
    images cells "t$steps.png" 10 10 "alone$steps"
    check "column $at has those images" sh -c "
        for i in 0 3 9; do
            cmp cells/\$(printf %06d.png \$((i * 5 + $at))) alone$steps/00000\$i.png || exit 1
        done"
done
same "no columns are left behind" "$(ls teacher.png*)" teacher.png
works "values with commas" -q "$teacher" sampler.classes=3 output.grid=times.png \
    "output.compare=sampler.times: 1, 0.5, 0 | 1, 0.2, 0"
same "two images in a row" "$(images size times.png)" 134x68
refuses "a value that is none" 3 "steps = none" -- "$teacher" output.grid="$out/a.png" \
    "output.compare=sampler.steps: 2, none"
refuses "no key" 3 "is not a key and its values" -- "$teacher" output.grid="$out/a.png" \
    "output.compare=1, 2"
refuses "a key that there is not" 3 "sampler.stepz" -- "$teacher" output.grid="$out/a.png" \
    "output.compare=sampler.stepz: 1, 2"
refuses "compare and a folder" 3 "makes a grid alone" -- "$teacher" output.grid="$out/a.png" \
    output.folder="$out/f"

works "ffcl presets" presets
check "names papers and repositories" grep -q "github.com/sihyun-yu/REPA@67f7145" "$work/stdout"

finish
