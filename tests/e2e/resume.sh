#!/bin/bash
# SPDX-License-Identifier: MIT
# A sample set whose run is killed, stopped, damaged, locked out or out of space, and resumes:
# in the end it is the set of an undisturbed run, byte for byte, and nothing else is left.
. "$(dirname "$0")/lib.sh"
need_device

set_of() { # COUNT: the arguments of a sample set of so many images
    args=(-q "$demo" output.grid= sampler.count="$1" sampler.batch=4)
}

# equal NAME SET WANT: folder and npz are those of WANT, and no other file lies beside them.
equal() {
    local name=$1 set=$2 want=$3 reasons=()
    diff -r -x manifest.json "$set/f" "$want/f" > differ 2>&1 || reasons+=("$(head -n 3 differ)")
    cmp "$set/a.npz" "$want/a.npz" > differ 2>&1 || reasons+=("$(cat differ)")
    [ "$(ls -A "$set" | tr '\n' ' ')" = "a.npz f " ] || reasons+=("beside them: $(ls -A "$set")")
    if [ ${#reasons[@]} = 0 ]; then
        ok "$name"
    else
        not_ok "$name" "${reasons[@]}"
    fi
}

to() { # SET: where it goes
    mkdir -p "$1"
    where=(output.folder="$1/f" output.npz="$1/a.npz")
}

# ---- SIGKILL at random instants ----

seed=${SEED:-$(date +%N)}
RANDOM=$((10#$seed % 32768))
echo "SEED=$seed repeats the instants"
set_of 200
to whole
works "200 images, undisturbed" "${args[@]}" "${where[@]}"
same "images of the folder" "$(ls whole/f | grep -c '\.png$')" 200
to killed
kills=0 rounds=1 strange=''
while [ $kills -lt 22 ]; do
    "$ffcl" "${args[@]}" "${where[@]}" > stdout 2> stderr < /dev/null &
    pid=$!
    sleep "$((RANDOM % 2)).$((RANDOM % 900 + 100))"
    kill -KILL $pid 2> /dev/null
    wait $pid 2> /dev/null
    case $? in
    137) kills=$((kills + 1)) ;;
    0)                                      # it was faster: another set, from nothing
        equal "set $rounds, finished between two kills" killed whole
        rm -rf killed
        rounds=$((rounds + 1))
        to killed
        ;;
    *) strange="$strange $? $(cat stderr)" ;;
    esac
done
same "runs killed, and no other failure" "$kills$strange" 22
left=$(ls killed/f 2> /dev/null | grep -c '\.png$')
works "the same command resumes after 22 kills ($left files are there)" "${args[@]}" "${where[@]}"
equal "22 kills: folder and npz of an undisturbed run, no temporary file" killed whole
same "22 kills: what was there was kept" "$(python3 - << 'PYTHON'
import json
print(json.load(open("killed/f/manifest.json"))["runs"][-1]["kept"])
PYTHON
)" "$left"
run "${args[@]}" "${where[@]}"
same "and once more: nothing to do" "$code" 0
equal "it changed nothing" killed whole

# ---- SIGKILL at the calls that finish things ----

set_of 6
to six
works "six images" "${args[@]}" "${where[@]}"
if need_shim "trouble by a preloaded library"; then
    # troubled VARIABLE...: the same command with the library; leaves $code.
    troubled() {
        env LD_PRELOAD="$shim" "$@" "$ffcl" "${args[@]}" "${where[@]}" > stdout 2> stderr \
            < /dev/null &
        wait $! 2> /dev/null
        code=$?
    }
    for call in rename:1 rename:9 fsync:3 ftruncate:1 ftruncate:3 unlink:5 unlink:6 pwrite:8 \
        pwrite:16 pwrite:17; do
        rm -rf at
        to at
        troubled FFCL_SHIM_KILL=$call
        killed=$code
        run "${args[@]}" "${where[@]}"
        same "killed at $call, and gone on: exit codes" "$killed $code" "137 0"
        equal "killed at $call: the same set" at six
    done
    mkdir lone
    where=(output.npz=lone/a.npz)
    troubled FFCL_SHIM_KILL=pwrite:14       # head, two headers, then two writes an image
    same "npz alone, killed after a batch: what is there" "$code $(ls -A lone | tr '\n' ' ')" \
        "137 .a.npz.crc .a.npz.lock .a.npz.part a.npz.manifest.json "
    works "npz alone, killed: the same command" "${args[@]}" "${where[@]}"
    check "npz alone, killed: the same npz" cmp lone/a.npz six/a.npz
    same "npz alone, killed: nothing else is left, and images were kept" \
        "$(ls -A lone | tr '\n' ' ')$(python3 - << 'PYTHON'
import json
print(json.load(open("lone/a.npz.manifest.json"))["runs"][-1]["kept"] > 2)
PYTHON
    )" "a.npz a.npz.labels.txt a.npz.manifest.json True"
    rm -rf jump
    to jump
    troubled FFCL_SHIM_CLOCK=1 FFCL_SHIM_KILL=rename:5
    troubled FFCL_SHIM_CLOCK=1
    same "a clock that jumps by years" "$code $(cat stderr)" "0 "
    equal "a clock that jumps: the same set" jump six
    same "a clock that jumps: the seconds are those that passed" "$(python3 - << 'PYTHON'
import json
runs = json.load(open("jump/f/manifest.json"))["runs"]
print(len(runs), all(0 <= r["seconds"] < 300 for r in runs))
PYTHON
    )" "1 True"
fi

# ---- Ctrl-C ----

# begin NAME ARGUMENT...: a run in the background, once two images are there.
begin() {
    env --default-signal=INT,TERM "$ffcl" "${args[@]}" "${where[@]}" "$@" > stdout 2> stderr \
        < /dev/null &
    pid=$!
    for _ in $(seq 600); do
        [ "$(ls "$folder" 2> /dev/null | grep -c '\.png$')" -lt 2 ] || return
        sleep 0.05
    done
}

set_of 160
to many
works "160 images" "${args[@]}" "${where[@]}"
for signal in INT TERM; do
    rm -rf stop
    to stop
    folder=stop/f
    begin
    kill -$signal $pid
    wait $pid
    code=$? last="ffcl, after SIG$signal"
    same "SIG$signal: dies by it" "$code" $((128 + $(kill -l $signal)))
    same "SIG$signal: says how to resume" \
        "$(sed 's/[0-9]* of/N of/' stderr)" \
        "ffcl: stopped: N of 160 images are there; run the same command again to resume"
    n=$(sed -n 's/^ffcl: stopped: \([0-9]*\) of.*/\1/p' stderr)
    same "SIG$signal: what it says is there" "$(ls stop/f | grep -c '\.png$')" "$n"
    check "SIG$signal: the run ended early" [ "$n" -lt 160 ]
    same "SIG$signal: no temporary file, no lock" "$(find stop/f -name '.*' -type f)" ""
    works "SIG$signal: the same command resumes" "${args[@]}" "${where[@]}"
    equal "SIG$signal: the same set" stop many
done
same "the manifest tells both runs" "$(python3 - << 'PYTHON'
import json
runs = json.load(open("stop/f/manifest.json"))["runs"]
a, b = runs
print(a["end"], b["end"], a["generated"] + b["generated"], a["generated"] == b["kept"])
PYTHON
)" "stopped complete 160 True"
rm -rf stop
to stop
begin
kill -INT $pid
sleep 0.02
kill -INT $pid 2> /dev/null
wait $pid
same "Ctrl-C twice: dies by it" "$?" 130
works "Ctrl-C twice: the same command resumes" "${args[@]}" "${where[@]}"
equal "Ctrl-C twice: the same set" stop many

# ---- two runs, other settings ----

rm -rf stop
to stop
begin
run "${args[@]}" "${where[@]}"
same "a second run of the same folder: the exit code" "$code" 16
same "and its sentence" "$(cat "$work/stderr")" \
    "ffcl: another run is writing to stop/f: wait for it, or choose another place"
run "${args[@]}" output.npz=stop/a.npz output.folder=other
same "another folder with the same npz" "$code $(grep -c 'another run is writing stop/a.npz' \
    "$work/stderr")" "16 1"
wait $pid
same "the first run was not disturbed" "$?" 0
equal "its set" stop many
rm -rf other

cp -r many before
differs() { # NAME OVERRIDE WORDS: refused, with the difference
    run "${args[@]}" output.folder=many/f output.npz=many/a.npz "$2"
    same "other settings, $1" "$code $(grep -cF "$3" "$work/stderr")" "17 1"
}
differs seed sampler.seed=2 "sampler.seed was 1 and is 2"
differs classes sampler.classes=1-3 "sampler.classes was list of 10"
differs "fewer images" sampler.count=150 "many/f holds 10 images more than the 150"
differs guidance sampler.guidance=1.25 "sampler.guidance was 2 and is 1.25"
differs precision precision.compute=half "precision.compute was float32 and is half"
differs level output.png_level=1 "output.png_level was 6 and is 1"
differs rule output.bytes=repa "output.bytes was sit and is repa"
differs rng sampler.rng=torch-cuda "sampler.rng was torch-cpu and is torch-cuda"
differs condition condition.t_embedder=0.5 "condition.t_embedder was delta and is 0.5"
edit "$demo_sit" sit.st set=final_layer.linear.bias:0:0.125
differs weights model.checkpoint=sit.st "model.checkpoint was crc32"
check "a refused run changes nothing" diff -r many before
works "other batch, threads and device: no other settings" "${args[@]}" \
    output.folder=many/f output.npz=many/a.npz sampler.batch=7 output.threads=1 device.select=0
equal "it kept everything" many before
# make asan has that device from the start.
if [ "$("$ffcl" devices | grep -c 'Portable Computing Language')" != 0 ] &&
    [ "${POCL_DEVICES:-}" != basic ]; then
    rm many/f/000000.png
    POCL_DEVICES=basic run "${args[@]}" output.folder=many/f output.npz=many/a.npz \
        device.select="$(basic_device)"
    warning='^ffcl: warning: earlier images of this sample set come from another kind of device'
    same "another kind of device: a warning" "$code $(grep -c "$warning" "$work/stderr")" "0 1"
    same "another kind of device: the image is there" "$(images size many/f/000000.png)" 64x64
else
    skip "another kind of device" "no PoCL, or its basic device alone"
fi
echo '{"format": "of something else"}' > many/f/manifest.json
run "${args[@]}" output.folder=many/f output.npz=many/a.npz
same "a manifest of something else" "$code $(grep -c 'is not a manifest' "$work/stderr")" "17 1"
set_of 6
works "resume = no generates anew" "${args[@]}" output.folder=many/f output.npz=many/a.npz \
    output.resume=no --overwrite
check "resume = no: the npz is replaced" cmp many/a.npz six/a.npz

# ---- damage ----

flip() { # FILE OFFSET: changes one byte
    python3 -c '
import sys
f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); b = f.read(1)[0]
f.seek(int(sys.argv[2])); f.write(bytes([b ^ 1]))' "$1" "$2"
}
to six
repair() { # NAME: the same command again repairs the set
    works "$1: the same command" "${args[@]}" "${where[@]}"
    equal "$1: repaired" six good
}
cp -r six good
flip six/f/000001.png 2000
repair "a changed byte in a PNG"
head -c 900 good/f/000002.png > six/f/000002.png
repair "a PNG cut short"
: > six/f/000003.png
rm six/f/000004.png
repair "an empty and a missing PNG"
head -c 70000 good/a.npz > six/a.npz
repair "an npz cut short"
flip six/a.npz 40000
repair "a changed byte in the npz"
rm six/a.npz
repair "a missing npz"
flip six/a.npz 50000
rm six/f/000002.png
repair "npz and folder damaged"

mkdir alone
where=(output.npz=alone/a.npz)
works "npz alone" "${args[@]}" "${where[@]}"
check "npz alone: the same file" cmp alone/a.npz good/a.npz
same "npz alone: what lies there" \
    "$(ls -A alone | tr '\n' ' ')" "a.npz a.npz.labels.txt a.npz.manifest.json "
head -c 50000 good/a.npz > alone/a.npz
works "npz alone, cut short: the same command" "${args[@]}" "${where[@]}"
check "npz alone, cut short: generated again" cmp alone/a.npz good/a.npz
same "npz alone: nothing is left" \
    "$(ls -A alone | tr '\n' ' ')" "a.npz a.npz.labels.txt a.npz.manifest.json "

# ---- images that are no images ----

edit "$demo_sit" sit.st set=y_embedder.embedding_table.weight:432:nan       # class 3
bad=(model.checkpoint=sit.st output.folder=bad/f output.npz=bad/a.npz)
mkdir bad
run "${args[@]}" "${bad[@]}"
same "on_bad = stop" "$code $(grep -c 'image 3 (class 3) .* not finite in its latent' \
    "$work/stderr")" "11 1"
run "${args[@]}" "${bad[@]}" output.on_bad=skip --overwrite
same "on_bad = skip: a warning, and the run continues" "$code $(cat "$work/stderr")" \
    "0 ffcl: warning: image 3 (class 3) has a value that is not finite in its latent"
same "on_bad = skip: no file" "$(ls bad/f | tr '\n' ' ')" \
    "000000.png 000001.png 000002.png 000004.png 000005.png images.crc32 labels.txt manifest.json "
images npz bad/a.npz 6 arrays
same "on_bad = skip: black in the npz" "$(images plain arrays/000003.png) $(images differ \
    arrays/000004.png good/f/000004.png)" "yes 0"
same "on_bad = skip: the manifest names it" "$(python3 -c '
import json
print(json.load(open("bad/f/manifest.json"))["bad"])')" \
    "[{'index': 3, 'class': 3, 'stage': 'latent'}]"
edit "$demo_vae" vae.st 'drop=^decoder\.conv_out\.' add=decoder.conv_out.weight:3x32x3x3 \
    add=decoder.conv_out.bias:3
cp "$(dirname "$demo_vae")/config.json" vae.config.json
run "${args[@]}" vae.weights=vae.st output.folder=plain
same "an image of one colour" "$code $(grep -c 'image [0-9] (class [0-9]) is of one colour' \
    "$work/stderr")" "11 1"

# ---- disks ----

# In a mount namespace of its own: a small disk; then room; the same command resumes.
cat > disk.sh << 'SCRIPT'
what=$1 ffcl=$2
shift 2
mkdir -p disk
mount -t tmpfs -o size=120k ffcl disk || exit 99
case $what in
full)
    "$ffcl" "$@" 2> stderr
    echo "$? $(grep -c '^ffcl: cannot write .*disk full' stderr) $(wc -l < stderr)"
    find disk -name '.*' -type f -name '*tmp*'
    mount -o remount,size=100m disk
    "$ffcl" "$@" 2> stderr
    echo "$?"
    cat stderr
    ls -A disk disk/f
    cp -r disk copy
    ;;
read-only)
    mkdir disk/f
    mount -o remount,ro disk
    "$ffcl" "$@" 2> stderr
    echo "$?"
    cat stderr
    ;;
esac
SCRIPT
namespace=(unshare -m)
[ "$(id -u)" = 0 ] || namespace=(unshare -rm)
mkdir disk
if "${namespace[@]}" mount -t tmpfs ffcl disk 2> /dev/null; then
    set_of 24
    rm -rf before && mkdir before
    run "${args[@]}" output.folder=before/f
    "${namespace[@]}" bash disk.sh full "$ffcl" "${args[@]}" output.folder=disk/f > log 2>&1
    same "a full disk, then room" "$(head -n 2 log | tr '\n' ' ')" "12 1 1 0 "
    check "a full disk, then room: the same images" diff -r -x manifest.json copy/f before/f
    same "a full disk, then room: nothing else" "$(ls -A copy | tr '\n' ' ')" "f "
    "${namespace[@]}" bash disk.sh full "$ffcl" "${args[@]}" output.npz=disk/a.npz > log 2>&1
    same "an npz larger than the disk" "$(head -n 1 log)" "12 1 1"
    "${namespace[@]}" bash disk.sh read-only "$ffcl" "${args[@]}" output.folder=disk/f > log 2>&1
    same "a read-only folder" "$(head -n 1 log) $(grep -c '^ffcl: cannot write disk/f/.*Read-only' \
        log)" "12 1"
else
    skip "disks" "no tmpfs can be mounted here"
fi

finish
