#!/bin/bash
# SPDX-License-Identifier: MIT
# Each key that a preset stands for can be set by itself: with all of them another family's preset
# gives the published numbers, without one of them it does not; the run says where each is from.
. "$(dirname "$0")/lib.sh"
zoo=$data/zoo
need_device

# ---- the recordings of one family by the preset of another --------------------------------------

# every STEM ENDING PRESET KEY=VALUE...: with all of the keys the recording agrees, and without any
# one of them something does not.  After "--" come keys that no recording shows, or that are needed.
every() {
    local stem=$1 file=$zoo/$1.$2 preset=$3 keys=() always=(model.preset_check=no) idle=() i
    shift 3
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        keys+=("$1")
        shift
    done
    [ $# = 0 ] || always+=("${@:2}")
    run verify -q "$zoo/$stem.ref.safetensors" model.checkpoint="$file" model.preset="$preset" \
        "${always[@]}" "${keys[@]}"
    local all=$(tail -n 1 "$work/stdout")
    if [ "$code" = 0 ] && [ -n "$all" ]; then
        ok "$stem by preset $preset with ${#keys[@]} keys"
    else
        not_ok "$stem by preset $preset with ${#keys[@]} keys"
    fi
    for i in "${!keys[@]}"; do
        run verify -q "$zoo/$stem.ref.safetensors" model.checkpoint="$file" \
            model.preset="$preset" "${always[@]}" "${keys[@]:0:i}" "${keys[@]:i+1}"
        # What it cannot check without the key is not among those that agree.
        [ "$code" = 0 ] && [ "$(tail -n 1 "$work/stdout")" = "$all" ] &&
            idle+=("without ${keys[i]} it agrees, too")
    done
    if [ ${#idle[@]} = 0 ]; then
        ok "$stem by preset $preset: none of them can be left out"
    else
        not_ok "$stem by preset $preset: none of them can be left out" "${idle[@]}"
    fi
}

tokens=(condition.h_embedder=delta condition.omega_embedder=omega
    condition.cfg_t_start_embedder=t_min condition.cfg_t_end_embedder=t_max)
every sit_zoo pt repa model.noise_time=0 model.update=plus sampler.cfg=three \
    sampler.correct_last=yes
every repa_zoo pt sit model.noise_time=1 model.update=minus "model.ignore=projectors.*" \
    sampler.cfg=all sampler.correct_last=no
every meanflow_zoo pt sit model.noise_time=1 model.update=minus sampler.cfg=all \
    condition.r_embedder=delta
every dmf_zoo pt meanflow "model.ignore=logvar_linear.*" "condition.t_embedder=t, r"
every soflow_zoo pt sit model.noise_time=1 model.update=minus sampler.solver=renoise \
    condition.s_embedder=delta
every lightningdit_zoo pt facm sampler.cfg=three \
    vae.stats="$zoo/lightningdit_zoo.latents_stats.pt"
every facm_zoo pt lightningdit sampler.cfg=all sampler.guidance_gate=evaluation \
    sampler.correct_last=no
every facm_zoo_r pt sit sampler.cfg=all sampler.guidance_gate=evaluation sampler.correct_last=no \
    condition.r_embedder=goal
every imf_zoo pth sit model.update=minus "model.ignore=v_final_layer.*" vae.stats=sd-imagenet \
    "${tokens[@]}" -- sampler.cfg=none model.latent_size=8
every pmf_zoo pt imf model.predicts=data vae.weights=none vae.stats=none
every repae_zoo pt sit model.noise_time=1 model.update=minus "model.ignore=projectors.*, bn.*" \
    sampler.cfg=all vae.weights=checkpoint vae.stats=checkpoint output.bytes=repa

# ---- the whole run: another preset with every key gives the same bytes --------------------------

base=("[model]" "checkpoint = $zoo/repa_zoo.pt" "heads = 4" "preset_check = no" "[vae]"
    "weights = $demo_vae" "[sampler]" "classes = 0-3")
printf '%s\n' "${base[@]}" "steps = 3" > own.ini
printf '%s\n' "${base[@]}" "solver = sde" > other.ini
keys=(model.noise_time=1 model.update=minus sampler.cfg=all sampler.guidance=1.8
    sampler.guidance_high=0.7 output.bytes=repa sampler.steps=3)
works "repa by its own preset" -q own.ini model.preset=repa output.grid=own.png
works "repa by preset sit with every key" other.ini model.preset=sit "model.ignore=projectors.*" \
    sampler.noise_rows=1 "${keys[@]}" output.grid=other.png
check "the same bytes" images equal own.png other.png
check "what is from the preset is said" grep -q \
    '^preset sit (command line): correct_last = yes; INI file: ' "$work/stderr"
check "what is from the INI file is said" grep -q '; INI file: .*solver = sde; ' "$work/stderr"
for key in "ignore = projectors.\*" "noise_time = 1" "update = minus" "guidance = 1.8" "cfg = all" \
    "guidance_high = 0.7" "steps = 3" "noise_rows = 1" "bytes = repa"; do
    check "where $key is from is said" grep -q "; command line: .*$key" "$work/stderr"
done
check "what feeds the embedder is said" grep -q '^embedders: t_embedder = t (preset)$' \
    "$work/stderr"
check "where the scale of latents is from is said" grep -q \
    '^latents: scale 0.18215 (config.json, scaling_factor), shift 0 (default)$' "$work/stderr"
for i in "${!keys[@]}"; do
    # SiT's 250 steps would take long, and nothing else ends them.
    [ "${keys[i]}" = sampler.steps=3 ] && continue
    run -q other.ini model.preset=sit "model.ignore=projectors.*" sampler.noise_rows=1 \
        "${keys[@]:0:i}" "${keys[@]:i+1}" output.grid=less.png
    if [ "$code" = 0 ] && ! images equal own.png less.png > same.txt 2>&1; then
        ok "without ${keys[i]} the bytes are others"
    else
        not_ok "without ${keys[i]} the bytes are others"
    fi
done
for key in sampler.solver=heun sampler.times=1,0.5,0.1,0 sampler.time_shift=1.5 \
    sampler.sde_last=0.1 sampler.noise_rows=2 sampler.guidance_low=0.5 vae.scale=0.2 \
    vae.shift=0.1 condition.t_embedder=0.5 vae.stats=sd-imagenet sampler.rng=per-image \
    model.noise_scale=0.9; do
    case $key in *times*) set -- sampler.solver=euler ;; *) set -- ;; esac
    run own.ini model.preset=repa output.grid=one.png "$@" "$key"
    word=${key#*.}
    if [ "$code" = 0 ] && ! images equal own.png one.png > same.txt 2>&1 &&
        grep -q "command line.*${word%%=*}\|${word%%=*}.*command line\|scale .*command line" \
            "$work/stderr"; then
        ok "$key changes the images, and the run says so"
    else
        not_ok "$key changes the images, and the run says so"
    fi
done
works "an interval without a step" own.ini model.preset=repa sampler.guidance_low=0.8 \
    output.grid=one.png
check "is a note" grep -q "^guidance = 1.8 guides no step: none begins at a time from" \
    "$work/stderr"
printf '%s\n' "${base[@]}" "steps = 2" > found.ini
works "a preset that the tensors say" found.ini model.preset=auto model.preset_check=yes \
    model.checkpoint="$zoo/lightningdit_zoo_b.pt" model.heads=2 \
    vae.weights="$zoo/vavae_zoo_g32.pt" output.grid=found.png
check "is called so" grep -q '^preset lightningdit (by the tensors): ' "$work/stderr"

# ---- what is the same for all images is computed once -------------------------------------------

embeddings() { # NAME ARGUMENT...: launches that embed scalars
    FFCL_TRACE=$work/$1 works "$1 is traced" -q own.ini output.grid=trace.png "${@:2}"
    n_embedded=$(grep -c '^embed_scalar' "$work/$1")
}
for batch in 1 4; do
    embeddings "repa in batches of $batch" model.preset=repa sampler.batch=$batch
    same "one embedding of all times, for 4 images in batches of $batch" "$n_embedded" 1
    embeddings "dmf in batches of $batch" model.preset=dmf sampler.batch=$batch \
        model.checkpoint="$zoo/dmf_zoo.pt" model.split=3 model.heads=3
    same "two with second inputs, for 4 images in batches of $batch" "$n_embedded" 2
done

# ---- which of several weights in a file ---------------------------------------------------------

# wrapped OUT IN ENTRY...: a torch file of entries KEY=WHAT; WHAT is good, the tensors of IN, bad,
# zeros in their place, or list, tuple, empty.  KEY ends with what names begin with and *, or ~ for
# names without dots.
wrapped() {
    python3 - "$root/tests" "$@" << 'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import edit_safetensors, make_weights as make
kinds = {"F32": "FloatStorage", "F16": "HalfStorage", "I64": "LongStorage"}
good, bad = {}, {}
for name, t in edit_safetensors.read(sys.argv[3])[0]:
    for state, data in ((good, t.data), (bad, bytes(t.size()))):
        state[name] = make.tensor(make.Storage(kinds[t.dtype], data), t.shape)
forms = {"good": good, "bad": bad, "list": list(good.values()), "tuple": (good, 0.5), "empty": {},
         "shadow": {"shadow_params": list(good.values())},
         "counter": make.tensor(make.store("LongStorage", [7]), ())}
state = {}
for entry in sys.argv[4:]:
    key, what = entry.split("=")
    at, *way, last = state, *key.split("/")
    for part in way:
        at = at.setdefault(part, {})
    if last.endswith("*"):              # what its names begin with
        at.update({last[:-1] + name: t for name, t in forms[what].items()})
    elif last.endswith("~"):
        at.update({last[:-1] + name.replace(".", ""): t for name, t in forms[what].items()})
    else:
        at[last] = forms[what]
with open(sys.argv[2], "wb") as file:
    file.write(make.torch_file(state))
PYTHON
}
edit "$zoo/meanflow_zoo.pt" mf.safetensors
takes() { # NAME ENTRY... [-- ARGUMENT...]: the good weights are found
    local name=$1 entries=()
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        entries+=("$1")
        shift
    done
    wrapped a.pt mf.safetensors "${entries[@]}"
    works "$name" verify -q "$zoo/meanflow_zoo.ref.safetensors" model.preset=meanflow \
        model.checkpoint=a.pt "${@:2}"
}
takes "raw weights and averaged ones behind a prefix" '*=bad' 'ema.*=good'
takes "two prefixes in a state dict" 'state_dict/model.*=bad' 'state_dict/ema.*=good'
takes "averaged weights in the dict of the raw ones" model/state_dict=bad model/ema_state_dict=good
takes "averaged weights of DeepSpeed" module=bad ema/module=good
takes "an empty ema holds nothing better" model=good ema=empty
takes "AveragedModel of torch.optim, with its counter" 'module.*=good' n_averaged=counter
takes "the same beside raw weights" model=bad ema/n_averaged=counter 'ema/module.*=good'
takes "raw weights beside names without dots, where they are asked for" \
    'state_dict/model_ema.~=bad' 'state_dict/model.*=good' -- model.prefix=model.
takes "a wrapper with a dot in its key" model=bad ema_0.9999=good -- model.wrapper=ema_0.9999
stops() { # NAME WORD ENTRY...: no silent fall to raw weights
    wrapped a.pt mf.safetensors "${@:3}"
    refuses "$1" 5 a.pt "$2" "set wrapper under [model]" -- verify -q \
        "$zoo/meanflow_zoo.ref.safetensors" model.preset=meanflow model.checkpoint=a.pt
}
stops "an ema that is a list" "under ema in a form that is not read" model=bad ema=list
stops "an ema that is a tuple" "under ema in a form that is not read" model=bad ema=tuple
stops "shadow parameters" "under ema in a form that is not read" model=bad ema=shadow
stops "an ema by another name" "averaged weights under EMA" model=bad EMA=good
stops "an ema with its rate in the name" "averaged weights under ema_0.9999" model=bad \
    ema_0.9999=good
stops "an ema deeper down by another name" "averaged weights under model.ema1" model/net=bad \
    model/ema1=good

for name in swa_model averaged_model model_avg polyak SWA-weights; do
    stops "averaged weights called $name" "averaged weights under $name" model=bad $name=good
done
wrapped a.pt mf.safetensors 'state_dict/model_ema.~=good' 'state_dict/model.*=bad'
refuses "averaged weights by names without dots" 3 "averaged weights under model_ema." LitEma \
    "prefix to model. for the others" -- verify -q "$zoo/meanflow_zoo.ref.safetensors" \
    model.preset=meanflow model.checkpoint=a.pt

# ---- what lies beside a decoder -----------------------------------------------------------------

edit "$demo_vae" codebook.safetensors add=quantize.embedding.weight:8x4
cp "$(dirname "$demo_vae")/config.json" .
refuses "an autoencoder with a codebook" 6 codebook.safetensors quantize.embedding.weight \
    AutoencoderKL -- "$demo" vae.weights=codebook.safetensors output.grid="$out/a.png"
python3 - "$root/tests" "$demo_vae" << 'PYTHON'
import struct, sys
sys.path.insert(0, sys.argv[1])
import edit_safetensors as edit
def four(*values):
    return edit.Tensor("F32", [4], struct.pack("<4f", *values))
mean = four(0, 0, 0.5, 0)
norm = [("bn.running_mean", mean), ("bn.running_var", four(4, 1, 9, 0.25))]
edit.Editor([("mean", mean), ("std", four(2, 1, 3, 0.5))], None).write("plain.safetensors")
edit.Editor(norm, None).write("stats.safetensors")
def write(name, **tensors):
    edit.Editor([(k.replace("bn_", "bn."), v) for k, v in tensors.items()], None).write(
        name + ".safetensors")
std, var, inverse = four(2, 1, 3, 0.5), norm[1][1], four(0.5, 1, 1 / 3, 2)
write("repae", latents_bias=mean, latents_scale=inverse, mean=four(9, 9, 9, 9))
write("both", mean=mean, std=std, bn_running_mean=mean, bn_running_var=var)
write("half-1", mean=mean, bn_running_var=var)
write("half-2", latents_bias=mean, std=std)
write("half-3", latent_mean=mean, std=std)
write("two", mean=mean, std=std, latents_bias=mean, latents_scale=std)
edit.Editor(edit.read(sys.argv[2])[0] + norm, None).write("norm.safetensors")
PYTHON
bn=(-q "$demo" sampler.count=2 vae.scale=0.18215)
for stats in plain stats norm repae both; do
    works "mean and deviation of $stats.safetensors" "${bn[@]}" vae.stats=$stats.safetensors \
        output.grid=$stats.png
done
check "a batch norm is its mean and deviation" images equal plain.png stats.png
check "that of a VAE's file, too" images equal plain.png norm.png
check "an inverse deviation, and a mean of no pair beside it" images equal plain.png repae.png
check "two pairs of the same numbers" images equal plain.png both.png
refuses "the mean of one kind with the deviation of another" 6 "has mean and no std" -- \
    "${bn[@]}" vae.stats=half-1.safetensors output.grid="$out/a.png"
refuses "the bias without its scale" 6 "has std and no mean" -- "${bn[@]}" \
    vae.stats=half-2.safetensors output.grid="$out/a.png"
refuses "the mean of latents with a deviation of another name" 6 "has std and no mean" -- \
    "${bn[@]}" vae.stats=half-3.safetensors output.grid="$out/a.png"
refuses "two pairs of other numbers" 6 "has mean and std" "latents_bias and latents_scale" -- \
    "${bn[@]}" vae.stats=two.safetensors output.grid="$out/a.png"
run "${bn[@]:1}" vae.weights=norm.safetensors output.grid=passed.png
same "one that is passed over is named" \
    "$code $(grep -c 'norm.safetensors has a batch norm of latents' "$work/stderr")" "0 1"
check "and does not count" test "$(images equal plain.png passed.png > same.txt; echo $?)" = 1

edit "$zoo/facm_zoo.pt" facm.safetensors
wrapped emas.pt facm.safetensors 'emas/ema_models.0.ema_model.*=bad' \
    'emas/ema_models.1.ema_model.*=good'
works "FACM's averages of two widths: its code takes the second" verify -q \
    "$zoo/facm_zoo.ref.safetensors" model.preset=facm model.checkpoint=emas.pt
run verify -q "$zoo/facm_zoo.ref.safetensors" model.preset=facm model.checkpoint=emas.pt \
    model.prefix=ema_models.0.ema_model.
same "the first where it is asked for, which is not the recorded one" "$code" 13
refuses "two widths without a preset" 3 "several transformers" "set [model] prefix" -- verify -q \
    "$zoo/facm_zoo.ref.safetensors" model.checkpoint=emas.pt

finish
