#!/bin/bash
# SPDX-License-Identifier: MIT
# Injected faults: memory, files, threads, devices.  Each ends with a documented exit code and one
# sentence that names the cause, leaves no torn file, and the same command afterwards is right.
# Then files made to cost time or to divide by zero.
#   SWEEP="KIND FROM STEP TO": fails these calls of a kind alone: malloc, cl, memory (of the
#   device), kernel, file, full (the disk); eval-malloc and so on: those of ffcl eval.
#   SWEEP=eval-, distance-, sheet-, curve-, compare-, sampling-: a spread of all kinds of ffcl eval,
#   with a reference, with precision, recall and --sheet, with --curve, of eval --compare, of [eval]
#   in a run.
#   SWEEP=commands, commands-NAME: of other commands, of the one that is asked as NAME below.
#   SPREAD=N: about so many of each.
. "$(dirname "$0")/lib.sh"

# ---- files that are made to cost ----

grid=output.grid=$out/grid.png
tiny=("$demo" sampler.classes=1 sampler.count=1 "$grid")
python3 - "$demo_sit" << 'PYTHON'
import json, struct, sys, zipfile, zlib
def put(path, tensors):
    at, header, parts = 0, {}, []
    for name, shape in tensors:
        n = 4
        for side in shape:
            n *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + n]}
        parts.append(n)
        at += n
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)
usual = [("y_embedder.embedding_table.weight", [2, 4]), ("final_layer.linear.weight", [4, 4]),
         ("blocks.0.mlp.fc1.weight", [4, 4]), ("blocks.0.adaLN_modulation.1.weight", [24, 4])]
put("zero.st", [("x_embedder.proj.weight", [4, 4, 2**32, 0])] + usual)
put("wide.st", [("x_embedder.proj.weight", [4, 4, 2**31, 0])] + usual)
put("channels.st", [("x_embedder.proj.weight", [4, 2**50, 2, 0])] + usual)
put("tokens.st", [("x_embedder.proj.weight", [4, 4, 1, 1]), ("pos_embed", [0, 2**52, 4])] + usual)
put("many.st", [("x_embedder.proj.weight", [4, 4, 1, 1]), ("t_embedder.mlp.0.weight", [4, 256])] +
    usual + [("surplus.%d" % i, []) for i in range(300000)])
put("vae.st", [("decoder.conv_in.weight", [4, 2**52, 0, 3]), ("decoder.conv_out.weight",
    [3, 4, 3, 3]), ("decoder.up_blocks.0.resnets.0.conv1.weight", [4, 4, 3, 3])])
with open("conditions.ini", "w") as f:
    f.write("[condition]\n" + "".join("e%d = t\n" % i for i in range(300000)))
# The demo's checkpoint with one member more, that unpacks to 2 GB.
source, target = zipfile.ZipFile(sys.argv[1]), zipfile.ZipFile("bomb.pt", "w")
for item in source.infolist():
    target.writestr(item.filename, source.read(item))
folder = source.namelist()[0].split("/")[0]
info = zipfile.ZipInfo(folder + "/data/999999")
info.compress_type = zipfile.ZIP_DEFLATED
with target.open(info, "w", force_zip64=True) as f:
    for _ in range(2048):
        f.write(bytes(1 << 20))
target.close()
PYTHON
export POCL_SIGFPE_HANDLER=0        # with it a division by zero is passed over
for name in zero wide channels; do
    refuses "SiT: sides that wrap around, $name" 6 $name.st "impossible size" -- \
        "${tiny[@]}" model.checkpoint=$name.st
done
refuses "SiT: a number of tokens that wraps around" 6 tokens.st "pos_embed of impossible size" -- \
    "${tiny[@]}" model.checkpoint=tokens.st model.heads=2
refuses "VAE: channels that wrap around" 6 vae.st -- "${tiny[@]}" vae.weights=vae.st
refuses "300,000 surplus tensors" 6 many.st "and " " more" -- \
    "${tiny[@]}" model.checkpoint=many.st model.heads=2 model.latent_size=4
refuses "300,000 conditions" 3 conditions.ini:1002: "more than 1000 lines" -- conditions.ini "$grid"
refuses "an archive that would unpack to gigabytes" 5 bomb.pt "would unpack to" -- \
    "${tiny[@]}" model.checkpoint=bomb.pt
unset POCL_SIGFPE_HANDLER

need_device
need_shim "injected faults" || finish

# ---- injected faults ----

args=(-q "$demo" sampler.count=2 output.grid= output.folder=f output.npz=a.npz)
run "${args[@]}"
same "an undisturbed run" "$code" 0
mv f whole && mv a.npz whole.npz

# faulty VARIABLE=VALUE: a run with it, from nothing.
faulty() {
    rm -rf f a.npz
    timeout -k 10 100 env LD_PRELOAD="$work/shim.so" "$1" "$ffcl" "${args[@]}" > stdout 2> stderr \
        < /dev/null
    code=$? last="ffcl ${args[*]}, $1"
    cp stdout stderr "$work" 2> /dev/null
}
# sound: what is there is right, or is not there.
sound() {
    local png
    for png in f/*.png; do
        [ ! -e "$png" ] || cmp -s "$png" "whole/$(basename "$png")" || echo "torn: $png"
    done
    [ ! -e a.npz ] || cmp -s a.npz whole.npz || echo "torn: a.npz"
    find . -maxdepth 2 \( -name '*.tmp' -o -name '.*lock' \)
}
complete() { # all that was asked for is there
    diff -r -x manifest.json f whole && cmp a.npz whole.npz
}
again() { # what the same command is afterwards
    # The mark of a cached program in use may be what could not be removed.
    "$ffcl" "${args[@]}" 2>&1 | sed '/^ffcl: warning: the driver did not survive/d'
    complete > /dev/null && echo right
}
# fails NAME VARIABLE=VALUE CODE WORDS
fails() {
    faulty "$2"
    same "$1" "$code $(grep -c "^ffcl: .*$4" stderr) $(wc -l < stderr) $(sound)" "$3 1 1 "
    same "$1: the same command afterwards" "$(again)" right
}
# threads N...: where the N-th thread cannot be started, others do, or a sentence says so; N below
# 0: that and all later ones.  The first waits for signals: without it nothing is begun.
threads() {
    local n
    for n in "$@"; do
        faulty FFCL_SHIM_FAIL=pthread_create:"$n":11
        case $n:$code in
        [2-9]:0) same "thread $n cannot be started: others do" "$(sound)$(complete 2>&1)" "" ;;
        *)
            same "thread $n cannot be started: exit code and sentence" "$code $(wc -l < stderr) $(
                grep -c '^ffcl: no thread can be started .*(ulimit -u' stderr) $(sound)" "14 1 1 "
            ;;
        esac
        same "thread $n: the same command afterwards" "$(again)" right
    done
}
if [ -z "${SWEEP:-}" ]; then
    fails "the image's rename" FFCL_SHIM_FAIL=rename:3:5 12 "f/00000..png: Input/output error"
    fails "the manifest's rename before the first image" FFCL_SHIM_FAIL=rename:2:5 12 \
        "f/manifest.json: Input/output error"
    fails "the npz's rename" FFCL_SHIM_FAIL=rename:5:5 12 "a.npz: Input/output error"
    fails "the manifest's closing rename" FFCL_SHIM_FAIL=rename:7:5 12 \
        "f/manifest.json: Input/output error"
    fails "the npz, once images are in the folder" FFCL_SHIM_FAIL=pwrite:2:28 12 "a.npz: disk full"
    fails "the manifest's closing write, the disk full" FFCL_SHIM_FAIL=rename:7:28 12 \
        "f/manifest.json: disk full"
    fails "fsync of the manifest" FFCL_SHIM_FAIL=fsync:1:5 12 "f/manifest.json: Input/output error"
    fails "fsync of the folder of the first manifest" FFCL_SHIM_FAIL=fsync:2:5 12 \
        "f/manifest.json: Input/output error"
    fails "syncfs at the end" FFCL_SHIM_SYNCFS=5 12 "cannot write f: Input/output error"
    fails "a write of the npz" FFCL_SHIM_FAIL=pwrite:3:5 12 "a.npz: Input/output error"
    fails "a write of the checksums" FFCL_SHIM_FAIL=pwrite:5:5 12 "images.crc32: Input/output error"
    fails "the labels' rename" FFCL_SHIM_FAIL=rename:6:5 12 "labels.txt: Input/output error"
    fails "a checkpoint's archive that cannot be opened" FFCL_SHIM_FAIL=dup:3:5 4 \
        "freeflow-digits.pt .*: Input/output error"
    threads 1 2 3 4 5 6 -2 -3 -8 -12 -14
    # CL_DEVICE_TYPE, _MAX_COMPUTE_UNITS, _MAX_WORK_GROUP_SIZE, _MAX_MEM_ALLOC_SIZE,
    # _GLOBAL_MEM_SIZE, _LOCAL_MEM_SIZE, _NAME, _DRIVER_VERSION, _EXTENSIONS, _MEM_BASE_ADDR_ALIGN
    for what in 0x1000 0x1002 0x1004 0x1010 0x101F 0x1023 0x102B 0x102D 0x1030 0x1019; do
        fails "the device does not answer property $what" FFCL_SHIM_INFO=$what 10 \
            "clGetDeviceInfo gave CL_OUT_OF_RESOURCES"
    done
fi

# ---- every call of a kind: a spread of them, or what SWEEP says ----

# sweep KIND NUMBER VARIABLE SUFFIX CAUSE CODE...: the calls of a kind fail, one a run, by
# VARIABLE=N SUFFIX, of NUMBER; the sentence has CAUSE, and the exit code is one of CODE, or 0.
sweep() {
    local kind=$1 n=$2 variable=$3 suffix=$4 cause=$5 from=1 step to i
    local bad='' reason afterwards count=0 codes=''
    shift 5
    step=$((n / spread + 1)) to=$n
    case ${SWEEP:-} in
    '') ;;
    *' '*)
        [ "${SWEEP%% *}" = "$kind" ] || return
        read -r from step to <<< "${SWEEP#* }"
        [ "$to" -le "$n" ] || to=$n
        ;;
    *) [ "${kind%"${kind#"$SWEEP"}"}" = "$SWEEP" ] || return ;;
    esac
    [ "$n" != 0 ] || return     # eval --compare has no device
    for ((i = from; i <= to; i += step)); do
        faulty "$variable=$i$suffix"
        count=$((count + 1))
        codes="$codes $code"
        reason=$(sound)
        if [ "$code" = 0 ]; then
            [ -z "$(sed '/^ffcl: warning: /d' stderr)" ] ||
                reason="$reason words at exit code 0"
            complete > /dev/null || reason="$reason exit code 0 and not what was asked for"
        else
            case " $* " in
            *" $code "*) ;;
            *) reason="$reason exit code $code" ;;
            esac
            grep -q "^ffcl: .*$cause" stderr || reason="$reason another cause"
            [ "$(grep -c '^ffcl: ' stderr)" = "$((1 + $(grep -c '^ffcl: warning: ' stderr)))" ] ||
                reason="$reason not one sentence"
        fi
        afterwards=$(again)
        [ "$afterwards" = right ] || reason="$reason, afterwards wrong: $afterwards"
        [ -z "$reason" ] || bad="$bad"$'\n'"$kind $i: $reason: $(tail -n 1 stderr)"
    done
    echo "# $kind: $count of $n failed:$(tr ' ' '\n' <<< "$codes" | sort | uniq -c | tr '\n' ';')"
    same "$kind that fails: exit code, one sentence with the cause, nothing torn" "$bad" ""
    # A fault that does not reach the program proves nothing.
    [ -n "${SWEEP:-}" ] || check "$kind that fails does fail" grep -q '[1-9]' <<< "$codes"
}
numbers() { # VARIABLE WORD
    faulty "$1=-1:0"
    sed -n "s/^calls: .*$2 \([0-9]*\).*/\1/p" stderr
}
sweep_all() { # PREFIX
    faulty FFCL_SHIM_MALLOC=-1
    sweep "$1malloc" "$(sed -n 's/^allocations: //p' stderr)" FFCL_SHIM_MALLOC '' \
        'memory\|^ffcl: .*HOST_MEMORY' 14
    sweep "$1cl" "$(numbers FFCL_SHIM_CL OpenCL)" FFCL_SHIM_CL :-5 \
        'CL_OUT_OF_RES\|device memory' 9 10
    sweep "$1memory" "$(numbers FFCL_SHIM_CL OpenCL)" FFCL_SHIM_CL :-4 'memory\|CL_MEM_OBJECT' 9
    sweep "$1kernel" "$(numbers FFCL_SHIM_ASYNC kernels)" FFCL_SHIM_ASYNC :-5 \
        CL_OUT_OF_RESOURCES 10
    sweep "$1file" "$(numbers FFCL_SHIM_FILE files)" FFCL_SHIM_FILE :5 'Input/output error' 4 12
    sweep "$1full" "$(numbers FFCL_SHIM_FULL writes)" FFCL_SHIM_FULL :28 'No space left' 12
}
spread=${SPREAD:-10}
sweep_all ''

# ---- inspect: what cannot be read is not said to be of another kind ----

# looks KIND VARIABLE SUFFIX COUNT CODE CAUSE FILE: ffcl inspect FILE where calls of the kind fail,
# one a run; it says what it says otherwise, or ends with CODE and CAUSE.
looks() {
    local kind=$1 variable=$2 suffix=$3 count=$4 want=$5 cause=$6 file=$7 n i bad=''
    if [ -n "${SWEEP:-}" ] && [ "${SWEEP%% *}" != inspect ]; then
        return
    fi
    "$ffcl" inspect "$file" > said 2> /dev/null
    n=$(LD_PRELOAD=$work/shim.so env "$variable=-1$suffix" "$ffcl" inspect "$file" 2>&1 |
        sed -n "$count")
    for ((i = 1; i <= n; i += n / spread + 1)); do
        env LD_PRELOAD="$work/shim.so" "$variable=$i$suffix" "$ffcl" inspect "$file" > stdout \
            2> stderr
        code=$?
        if [ $code = 0 ]; then
            cmp -s stdout said || bad="$bad"$'\n'"$i: exit code 0, and other words"
        elif [ $code != "$want" ] || ! grep -q "^ffcl: .*$cause" stderr; then
            bad="$bad"$'\n'"$i: exit code $code, $(tail -n 1 stderr)"
        fi
    done
    same "inspect $file, $kind of $n that fails: the same words, or the cause" "$bad" ""
}
run "$demo" -q sampler.count=2 output.grid=seen.png output.folder=seen output.npz=seen.npz
for file in "$demo_sit" "$data/zoo/tiny16_zoo.safetensors" seen.png seen seen.npz; do
    looks malloc FFCL_SHIM_MALLOC '' 's/^allocations: //p' 14 'memory' "$file"
    looks file FFCL_SHIM_FILE :5 's/^calls: .*files \([0-9]*\).*/\1/p' 4 'Input/output error' \
        "$file"
done

# ---- other commands: the same words, or one sentence with the cause -----------------------------

# asks NAME MADE ARGUMENT...: a command whose calls fail, a spread of each kind, one a run.  MADE: a
# file that it writes whole or not at all; none: what it prints are the same words.  Times, and what
# a device did not answer, may differ.
asks() {
    local name=$1 file=$2 row kind variable suffix count codes cause n i bad total=''
    shift 2
    case ${SWEEP:-commands} in
    commands | "commands-$name") ;;
    *) return ;;
    esac
    "$ffcl" "$@" > said 2> /dev/null
    # Kind, variable, what follows the number, what counts in its words, exit codes, cause.
    local number='\([0-9]*\).*/\1/p' cl=FFCL_SHIM_CL
    for row in "malloc;FFCL_SHIM_MALLOC;;s/^allocations: //p;14 13;memory\|HOST_MEMORY" \
        "file;FFCL_SHIM_FILE;:5;s/^calls: .*files $number;4 12;Input/output error" \
        "full;FFCL_SHIM_FULL;:28;s/^calls: .*writes $number;12;No space left\|disk full" \
        "cl;$cl;:-5;s/^calls: .*OpenCL $number;9 10 13;CL_OUT_OF_RES\|device mem" \
        "cl of memory;$cl;:-6;s/^calls: .*OpenCL $number;9 10 13 14;MEMORY\|memory" \
        "kernel;FFCL_SHIM_ASYNC;:-5;s/^calls: .*kernels $number;10 13;CL_OUT_OF_RES"; do
        IFS=';' read -r kind variable suffix count codes cause <<< "$row"
        n=$(LD_PRELOAD=$work/shim.so env "$variable=-1${suffix:+:0}" "$ffcl" "$@" 2>&1 > counted |
            sed -n "$count")
        [ "$file" = none ] || n=${n:-0}
        bad=''
        for ((i = 1; i <= ${n:-0}; i += n / spread + 1)); do
            [ "$file" = none ] || rm -f "$file"
            timeout -k 10 200 env LD_PRELOAD="$work/shim.so" "$variable=$i$suffix" "$ffcl" "$@" \
                > stdout 2> stderr < /dev/null
            code=$? last="ffcl $*, $variable=$i$suffix"
            if [ $code = 0 ]; then
                [ "$file" != none ] || cmp -s <(numberless stdout) <(numberless said) ||
                    grep -q 'warning: \|not known\|failed' stdout stderr ||
                    bad="$bad"$'\n'"$i: exit code 0, and other words"
                [ "$file" = none ] || [ -s "$file" ] || bad="$bad"$'\n'"$i: exit code 0, no $file"
            elif [[ " $codes " != *" $code "* ]] || ! grep -q "^ffcl: .*\($cause\)" stderr; then
                bad="$bad"$'\n'"$i: exit code $code, $(tail -n 1 stderr)"
            elif [ "$file" != none ] && [ -e "$file" ] && [ ! -s "$file" ]; then
                bad="$bad"$'\n'"$i: torn: $file"
            fi
        done
        total="$total $kind ${n:-0},"
        same "$name, $kind: the same words, or the cause" "$bad" ""
    done
    echo "# $name:$total $spread of each tried"
}
numberless() {
    sed -e 's/[0-9][0-9.]*/N/g' -e 's/ *[|]* *$//' "$1" | tr -s ' -'
}
asks keys none keys
asks keys-page none keys --markdown
asks classes none classes
asks presets none presets
asks devices none devices
asks init x.ini init x.ini --checkpoint "$demo_sit"
all_spread=$spread
[ -n "${SPREAD:-}" ] || spread=3
asks selfcheck none selfcheck "$demo"
[ -z "${SWEEP:-}" ] || asks report x.txt report -o x.txt --op softmax -q   # minutes
asks bench-model x.json bench model "$demo" --seconds 0.05 --batches 1 -q --json x.json
spread=$all_spread

# ---- eval: the same sweeps; those with a distance take half a minute a run -----------------------

case ${SWEEP:-eval-} in
commands*) finish ;;
*-*) ;;
*) finish ;;
esac
[ -n "${SPREAD:-}" ] || spread=3
works "a network by a rule" eval --make-network net.safetensors
evaluation=(eval whole --inception net.safetensors --json -q)
faulty() {
    rm -rf "${made[@]}" .stats.npz.*
    timeout -k 10 200 env LD_PRELOAD="$work/shim.so" "$1" "$ffcl" "${args[@]}" > stdout 2> stderr \
        < /dev/null
    code=$? last="ffcl ${args[*]}, $1"
    cp stdout stderr "$work" 2> /dev/null
}
differs() { # FILE: from the right one; a folder: where a file that is there does
    diff -r -x manifest.json -x images.crc32 -x .ffcl.lock -I '"seconds"' "$1" right/"$1" |
        grep -v "^Only in right"
}
sound() {
    local file
    for file in "${made[@]}"; do
        [ ! -e "$file" ] || ! differs "$file" > /dev/null || echo "torn: $file"
    done
    # One that was made to try, and could not be removed, is empty.
    find . -maxdepth 2 -name '.*.tmp' -size +0
}
complete() {
    local file
    diff -I '"seconds"' stdout right/stdout || return 1
    for file in "${made[@]}"; do
        diff -r -x manifest.json -I '"seconds"' "$file" right/"$file" || return 1
    done
}
again() {
    "$ffcl" "${args[@]}" 2>&1 > stdout |
        sed '/^ffcl: warning: \(the driver did not survive\|.* below 2049 \)/d'
    complete > /dev/null && echo right
}
# evaluates PREFIX MADE... -- ARGUMENT...: what faults are put into; 1 where SWEEP is of another.
evaluates() {
    local prefix=$1
    case ${SWEEP:-eval-} in
    "$prefix"*) ;;
    *) return 1 ;;
    esac
    shift
    made=()
    while [ "$1" != -- ]; do
        made+=("$1")
        shift
    done
    shift
    args=("$@")
    rm -rf right
    mkdir right
    run "${args[@]}"
    same "$prefix: undisturbed" "$code" 0
    mv "$work/stdout" "${made[@]}" right
    sweep_all "$prefix"
}
others=("${evaluation[@]}" --reference other)
if [ -n "${SWEEP:-}" ]; then
    run -q "$demo" sampler.count=3 sampler.seed=7 output.grid= output.folder=other
    "$ffcl" "${others[@]}" > a.json
fi
evaluates distance- stats.npz -- "${others[@]}" --save-stats stats.npz
case ${SWEEP:-} in
sheet-*)                        # the nearest three of four or more
    for i in 1 2; do
        run -q "$demo" sampler.count=5 sampler.seed=$i output.grid= output.folder=five$i
    done
    ;;
esac
evaluates sheet- sheet.png -- eval five1 --reference five2 --inception net.safetensors --json -q \
    --sheet sheet.png
evaluates curve- stats.npz -- "${others[@]}" --curve 2 --save-stats stats.npz
evaluates compare- plot.svg -- eval --compare a.json a.json --plot plot.svg
evaluates sampling- e stats.npz -- "$demo" -q sampler.count=2 output.grid= output.folder=e \
    eval.inception=net.safetensors eval.reference=none eval.save_stats=stats.npz
evaluates eval- stats.npz -- "${evaluation[@]}" --save-stats stats.npz
if [ -z "${SWEEP:-}" ]; then
    threads 1 2 3 4 5 6 -2 -4
    # Those of convert and bench wait for signals alone.
    for command in "convert $demo_sit converted.safetensors" "bench layernorm* --quick -q" \
        "bench model $demo --seconds 0.05 --batches 1 -q"; do
        # shellcheck disable=SC2086 # words
        env LD_PRELOAD="$work/shim.so" FFCL_SHIM_FAIL=pthread_create:1:11 "$ffcl" $command \
            > stdout 2> stderr
        same "${command%% *}: its thread cannot be started" "$? $(wc -l < stderr) $(
            grep -c '^ffcl: no thread can be started .*(ulimit -u' stderr) $(
            find . -name '*converted*')" "14 1 1 "
    done
fi

finish
