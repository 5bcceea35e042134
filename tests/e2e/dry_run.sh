#!/bin/bash
# SPDX-License-Identifier: MIT
# ffcl sample --dry-run: what a run would take, and nothing written; --json, --verbose, --color.
. "$(dirname "$0")/lib.sh"
need_device

json() { # EXPRESSION: of the object m that the last run printed
    python3 -c 'import json, sys
m = json.load(open(sys.argv[1]))
print(eval("(" + sys.argv[2] + ")"))' "$work/stdout" "$1"
}

# ---- nothing is written ----

mkdir here
cd here || exit 2
works "a dry run" --dry-run "$demo" output.grid=a.png output.folder=f output.npz=a.npz
same "it leaves no file, no folder, no lock" "$(ls -A)" ""
same "it says devices, plan, memory, disk, time" "$(lacks "$work/stdout" "device 0 " "  plan " \
    "batch 8 (VAE 8 at a time), float32" "  variants " "gemm: " "attention: " \
    "  memory " "weights 0.04 GB" "  speed " " images/s" "images      40 of 64 x 64" \
    "a.png about " "f about " "a.npz about 492 kB" "time        about " \
    "dry run: nothing was written")" ""
same "it fits 80 columns" "$(awk 'length > 79' "$work/stdout")" ""
cd "$work" || exit 2
if strace -o /dev/null true 2> /dev/null; then
    mkdir traced
    FFCL_CACHE_DIR=$work/cache strace -f -e trace=mkdir,mkdirat,rename,renameat,renameat2,unlink \
        -o trace "$ffcl" -q --dry-run "$demo" output.folder=traced/f output.grid=traced/a.png \
        > /dev/null 2>&1
    same "no call makes anything there for a moment" "$(grep -c 'traced/' trace)" 0
else
    skip "no call makes anything there for a moment" "no strace"
fi

# ---- as JSON, and whether it is true ----

works "a dry run as JSON" -q --dry-run --json "$demo" sampler.count=100 output.grid= \
    output.folder=f output.npz=a.npz
same "JSON: counts" "$(json '(m["count"], m["there"], m["height"], m["width"])')" \
    "(100, 0, 64, 64)"
same "JSON: an npz is as large as its images" "$(json 'm["npz_bytes"]')" $((100 * 64 * 64 * 3))
same "JSON: a time, from images that were computed" "$(json '0 < m["sampling_seconds"] and
    m["timed"] >= 8 and m["devices"][0]["images_per_second"] > 0')" "True"
estimate=$(json 'm["folder_bytes"]')
works "the run" -q --json "$demo" sampler.count=100 output.grid= output.folder=f output.npz=a.npz
same "its summary is one object: what was done" "$(json '(m["end"], m["exit_code"], m["count"],
    m["kept"], m["generated"], m["outputs"], m["settings"]["sampler.seed"], len(m["devices"]))')" \
    "('complete', 0, 100, 0, 100, {'folder': 'f', 'npz': 'a.npz'}, '1', 1)"
same "the estimate of the folder is not off by a fifth" "$(cat f/*.png | wc -c |
    awk -v e="$estimate" '{ print (e > 0.8 * $1 && e < 1.25 * $1) ? "true" : e " for " $1 }')" true
# A batch that takes minutes is not waited for.
slow=("$root/config/demo-teacher.ini" output.compare=none output.grid=a.png sampler.classes=1
    sampler.batch=32 sampler.count=32 sampler.steps=4000)
SECONDS=0
works "a dry run of minutes a batch" -q --dry-run --json "${slow[@]}"
same "it takes seconds" "$((SECONDS < 60))" 1
same "JSON: the share of a batch that was timed" "$(json '(0 < m["timed_share"] < 0.5, m["timed"],
    m["sampling_seconds"] > 20)')" "(True, 0, True)"
works "the same as text" -q --dry-run "${slow[@]}"
same "it says that it is rough" "$(lacks stdout "rough" "of a batch's")" ""
rm f/00001?.png
find f a.npz -type f | sort | xargs cksum > before
works "a dry run over a folder that is not whole" -q --dry-run --json "$demo" sampler.count=100 \
    output.grid= output.folder=f output.npz=a.npz
same "it says how many are there" "$(json 'm["there"]')" 90
find f a.npz -type f | sort | xargs cksum > after
check "and leaves all as it is" cmp before after
run -q --dry-run "$demo" sampler.count=100 sampler.seed=2 output.grid= output.folder=f
same "other settings are refused, as the run would be" "$code $(grep -c 'sampler.seed' \
    "$work/stderr")" "17 1"
refuses "not with a profile" 2 "goes without" -- --dry-run --profile "$demo"
works "the summary of a run that resumes" -q --json "$demo" sampler.count=100 output.grid= \
    output.folder=f output.npz=a.npz
same "it tells both" "$(json '(m["kept"], m["generated"])')" "(90, 10)"
run --json "$demo" sampler.count=2 output.grid=g.png device.select=none-of-these
same "the summary of a run that fails; logs are on stderr" "$code $(json '(m["end"],
    m["exit_code"], "none-of-these" in m["error"])')" "7 ('failed', 7, True)"

# ---- outputs that cannot be: what the run says, and its exit code ----

touch file
ln -s nowhere dead
mkdir taken readonly
outputs=() differ=()
for place in none/x none/x/ file file/x dead dead/x taken /dev/null /proc/x /proc/self/x \
    "$(printf 'a%.0s' {1..300})"; do
    outputs+=("output.grid= output.folder=$place" "output.grid= output.npz=$place"
        "output.grid=$place")
done
for output in "${outputs[@]}"; do
    read -ra words <<< "$output sampler.count=2 output.columns=1"
    run -q --dry-run "$demo" "${words[@]}"
    dry="$code $(cat "$work/stderr")"
    rm -rf taken
    mkdir taken
    run -q "$demo" "${words[@]}"
    [ "$dry" = "$code $(cat "$work/stderr")" ] ||
        differ+=("$output: dry: $dry; run: $code $(cat "$work/stderr")")
    [ "$output" = "output.grid= output.folder=taken" ] || [ "$output" = output.grid=file ] ||
        [ "$code" = 12 ] || [ "$code" = 17 ] || differ+=("$output: $code")
done
same "an output that cannot be: ${#outputs[@]} of them, as the run" \
    "$(printf '%s\n' "${differ[@]:-}")" ""
refuses "a folder that can be in no folder: both names" 12 "make the folder none/x" \
    "the folder none does not exist" -- --dry-run "$demo" output.folder=none/x
refuses "a folder where none can be made" 12 "nothing can be made in /proc" -- --dry-run \
    "$demo" output.folder=/proc/x
refuses "a link that leads nowhere in the folder's place" 12 "a link that leads nowhere" -- \
    --dry-run "$demo" output.folder=dead
user=()
[ "$(id -u)" != 0 ] || user=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all)
if [ ${#user[@]} = 0 ] || "${user[@]}" "$ffcl" --version > /dev/null 2>&1; then
    chmod 555 readonly
    for output in output.folder=readonly/x output.npz=readonly/x output.grid=readonly/x; do
        FFCL_CACHE_DIR=none "${user[@]}" "$ffcl" -q --dry-run "$demo" output.grid= "$output" \
            > /dev/null 2> err
        same "a folder where this user may not write: ${output%=*}" \
            "$? $(grep -c '^ffcl: cannot .* readonly/x: Permission denied$' err)" "12 1"
    done
else
    skip "a folder where this user may not write" "no other user can be become"
fi

"$ffcl" -q "$demo" sampler.count=100000 output.folder=busy output.grid= > /dev/null 2>&1 &
writer=$!
for _ in {1..300}; do
    [ ! -e busy/000001.png ] || break
    sleep 0.1
done
refuses "a folder that another run writes" 16 "another run is writing to busy" -- --dry-run \
    "$demo" sampler.count=100000 output.folder=busy output.grid=
kill -9 "$writer"
wait "$writer" 2> /dev/null

# A file system of 64 kB, in a mount namespace of its own.
mkdir small
namespace=(unshare -m)
[ "$(id -u)" = 0 ] || namespace=(unshare -rm)
on_small() { # OVERRIDE...: $code of a dry run and its last sentence
    # shellcheck disable=SC2016 # the inner shell expands
    "${namespace[@]}" sh -c 'mount -t tmpfs -o size=64k ffcl small; exec "$@"' sh "$ffcl" -q \
        --dry-run "$demo" output.grid= "$@" > plan 2> err
    code=$?
}
if "${namespace[@]}" mount -t tmpfs ffcl small 2> /dev/null; then
    for output in folder=small/f npz=small/a.npz grid=small/a.png; do
        on_small sampler.count=200 "output.$output"
        same "a disk too small: ${output%=*}" "$code $(grep -c "^ffcl: cannot write \
${output#*=}: disk full: about .* GB are to be written there, and .* GB are free$" err) $(
            lacks plan "dry run: nothing was written" "are too little")" "12 1 "
    done
    on_small sampler.count=5 output.grid=small/a.png output.npz=small/a.npz
    same "a disk too small for both" "$code $(grep -c 'small/a.npz: disk full' err)" "12 1"
    on_small sampler.count=1 output.npz=small/a.npz
    same "a disk that is large enough" "$code $(cat err)" "0 "
else
    skip "a disk too small" "no tmpfs can be mounted here"
fi

# ---- more, and colours ----

works "--verbose" --verbose "$demo" sampler.count=2 output.grid=g.png
"$ffcl" -q --dry-run "$demo" sampler.count=2 output.grid=g.png > dry
same "it says which variants are taken, as --dry-run does" \
    "$(sed -n 's/^variants on [^:]*: //p' "$work/stderr")" \
    "$(sed -n '/^  variants/{s/^  variants *//;:a;N;/\n   /{s/\n  */ /;ba;};s/\n.*//;p;}' dry)"
same "it says what is set and how long the parts took" "$(lacks "$work/stderr" \
    "  sampler.seed = 1" "0 images were there and 2 generated" "s to open the devices")" ""
escape=$(printf '\033')
run --color=always "$demo" sampler.seed=x
same "--color=always" "$(sed "s/$escape/E/g" "$work/stderr" | cut -c -19)" "E[1;31mffcl:E[0m sa"
for how in "" --color=auto --color=never; do
    run $how "$demo" sampler.seed=x
    same "no colours in a file: ${how:-by default}" "$(grep -c "$escape" "$work/stderr")" 0
done
refuses "another --color" 2 "auto, always or never, not red" -- --color=red "$demo"
pty() { # ARGUMENT...: what ffcl prints on a terminal of 80 columns
    script -qec "stty cols 80; $(printf '%q ' "$ffcl" "$@")" /dev/null < /dev/null
}
if command -v script > /dev/null; then
    same "on a terminal: colours" "$(TERM=xterm pty x.ini | grep -c "$escape\[1;31m")" 1
    same "not with NO_COLOR" "$(NO_COLOR=1 TERM=xterm pty x.ini | grep -c "$escape")" 0
    same "not on a dumb one" "$(TERM=dumb pty x.ini | grep -c "$escape")" 0
    same "--color=never" "$(TERM=xterm pty --color=never x.ini | grep -c "$escape")" 0
else
    skip "colours on a terminal" "no script(1)"
fi

# ---- -o ----

works "-o" -q "$demo" sampler.count=2 -o other.png
check "is short for output.grid=" [ -e other.png ]

finish
