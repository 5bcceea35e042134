#!/bin/bash
# SPDX-License-Identifier: MIT
# Parameters of CLBlast: ffcl tune, [blas] tuning, and the self-check of GEMMs with what takes over
# where it fails.
. "$(dirname "$0")/lib.sh"
need_device
# Drivers then build each candidate's programs once.
export POCL_KERNEL_CACHE=1 CUDA_CACHE_DISABLE=0

small=("$demo" model.checkpoint="$data/sit_h64_p2_sigma.pt" model.heads=4
    vae.weights="$data/vae_small.safetensors" sampler.classes=0 sampler.batch=1
    blas.backend=clblast device.select=cpu)
tiny=("$demo" sampler.classes=1 sampler.count=1 blas.backend=clblast precision.compute=float32)
folder=$XDG_CONFIG_HOME/ffcl/tuning

has() { # NAME TEXT: ok if the last run said so
    if grep -qF -- "$2" "$work/stderr"; then
        ok "$1"
    else
        not_ok "$1" "not said: $2"
    fi
}
has_not() { # NAME TEXT
    if grep -qF -- "$2" "$work/stderr"; then
        not_ok "$1" "said: $2"
    else
        ok "$1"
    fi
}

# ---- before tuning ----

works "an image before tuning" "${tiny[@]}" output.grid=before.png
has "an untuned device: one line names ffcl tune" "ffcl tune finds faster parameters"
works "tuning off" "${tiny[@]}" blas.tuning=off output.grid=off.png
has_not "tuning off: no such line" "ffcl tune"
check "tuning off: the same image" images equal before.png off.png

# ---- files by hand ----

legal=$work/legal.txt
cat > "$legal" << 'TEXT'
# A set that is legal anywhere.
[for]
device = another
[Copy]
COPY_DIMX = 8
COPY_DIMY = 8
COPY_VW = 2
COPY_WPT = 1
TEXT
works "a file of another device is used if it is named" "${tiny[@]}" blas.tuning="$legal" \
    output.grid=named.png
has "and a warning says whose it is" "was tuned elsewhere"
refuses "a missing file" 4 "$work/none.txt" -- "${tiny[@]}" blas.tuning="$work/none.txt" \
    output.grid="$out/a.png"
bad() { # NAME LINE WORD COMMAND: the command changes the file; its line must be named
    cp "$legal" bad.txt
    eval "$4"
    refuses "$1" 3 "bad.txt:$2:" "$3" -- "${tiny[@]}" blas.tuning=bad.txt output.grid="$out/a.png"
}
bad "an unknown parameter" 5 "Copy has no parameter COPY_WIDTH" \
    'sed -i s/COPY_DIMX/COPY_WIDTH/ bad.txt'
bad "an unknown kernel" 4 "Copier" 'sed -i "s/\[Copy\]/[Copier]/" bad.txt'
bad "no number" 7 "many" 'sed -i "s/VW = 2/VW = many/" bad.txt'
bad "a value that CLBlast has not" 4 "COPY_VW = 3" 'sed -i "s/VW = 2/VW = 3/" bad.txt'
bad "a missing parameter" 4 "no value for COPY_WPT" 'sed -i /WPT/d bad.txt'
bad "a second value" 9 "COPY_WPT" 'echo COPY_WPT = 2 >> bad.txt'
bad "a line of noise" 9 "neither" 'echo "this is noise" >> bad.txt'
bad "a work-group larger than any" 4 "COPY_DIMX" 'sed -i "s/DIMX = 8/DIMX = 0/" bad.txt'

# ---- ffcl tune ----

refuses "--minutes that are none" 2 "--minutes" -- tune --minutes soon
: > "$work/no-folder"
XDG_CONFIG_HOME=$work/no-folder refuses "a place for what is found that cannot be, at once" 12 \
    "$work/no-folder/ffcl" "cannot be made: Not a directory; XDG_CONFIG_HOME" -- tune "${small[@]}"
refuses "--minutes for another command" 2 "unknown option --minutes" -- "$demo" --minutes 3

if ! "$ffcl" devices | grep -q 'type: CPU'; then
    skip "ffcl tune" "no CPU device"
    finish
fi
if ! build_shim; then
    shim=
fi

# A candidate by itself: what it answers to a job.
where=$("$ffcl" devices | sed -n '/^\[/{s/.*(\(.*\))$/\1/;h};/type: CPU/{x;p;q}')
answer() { # PARAMETERS SHAPE: the candidate's answer
    printf 'device %s\nparameters %s\nshape %s\n' "$where" "$1" "$2" |
        timeout 60 "$ffcl" tune-candidate 2> /dev/null | sed 's/^ms .*/ms/' | tr '\n' ' '
}
same "a candidate is timed" "$(answer "" "65 33 17 1 1000")" "ms timed "
same "a candidate that is slow says so" "$(answer "" "65 33 17 0 0.000001")" "ms slow "
same "parameters that are none" "$(answer "NOTHING=1" "65 33 17 0 1000")" ""
same "parameters that do not build" \
    "$(answer "COPY_DIMX=8 COPY_DIMY=8 COPY_VW=3 COPY_WPT=1" "65 33 17 0 1000")" "refused "
"$ffcl" tune-candidate < /dev/null > /dev/null 2>&1
same "no job: the exit code" "$?" 2
if [ -n "$shim" ]; then
    same "a candidate that computes wrong says so" \
        "$(LD_PRELOAD=$shim FFCL_SHIM_SGEMM=wrong answer "" "65 33 17 1 1000")" "wrong "
else
    skip "a candidate that computes wrong says so" "no library can be preloaded"
fi

# The sets that are tried first are known: two of them shall come to harm.
tried() { # END: how many sets ended so
    cat "$folder"/*.tried 2> /dev/null | grep -c "^$1 "
}
[ -z "$shim" ] || export FFCL_SHIM_SETS='KREG=16:crash,KREG=8:wrong' LD_PRELOAD=$shim
first=
for minutes in 0.05 0.1 0.2 0.3 0.4 0.6 0.8 1.2; do
    run tune "${small[@]}" --minutes $minutes
    [ "$code" = 0 ] || continue         # too short for this machine
    if [ -z "$first" ]; then
        first=$(cat "$folder"/*.tried | wc -l)
        continue
    fi
    [ -n "$shim" ] || break
    [ "$(tried wrong)" = 0 ] || break
done
unset FFCL_SHIM_SETS LD_PRELOAD
# What it finds depends on the machine: a file with a gain, or no file and one of two sentences.
n_files=$(find "$folder" -name '*.txt' | wc -l)
same "ffcl tune ends with what it found" "$code $(grep -c ': \[blas\] tuning = auto uses it$' \
    "$work/stdout") $(grep -cE '^(nothing better was found|the time was over)' "$work/stdout")" \
    "0 $n_files $((1 - n_files))"
if [ "$(cat "$folder"/*.tried | wc -l)" -gt "$first" ]; then
    ok "the second run went on where the first ended"
else
    not_ok "the second run went on where the first ended" "$first lines before and after"
fi
same "no set was tried twice" \
    "$(grep -v '^#' "$folder"/*.tried | sed 's/.*: //' | sort | uniq -d)" ""
if [ -n "$shim" ]; then
    check "a set that crashes is lost alone" [ "$(tried crashed)" -ge 1 ]
    check "a set that computes wrong is not timed" [ "$(tried wrong)" -ge 1 ]
else
    skip "sets that crash or compute wrong" "no library can be preloaded"
fi

# --minutes are kept where a process hangs: for the first timing, and for the comparison at the end
# of a set that is said to be fast.
if [ -n "$shim" ]; then
    export FFCL_SHIM_SGEMM=hang LD_PRELOAD=$shim
    XDG_CONFIG_HOME=$work/slow refuses "too short for CLBlast's own parameters" 2 \
        "--minutes 0.05 are too few" "give more" -- tune "${small[@]}" --minutes 0.05 -q
    unset FFCL_SHIM_SGEMM
    mkdir -p "$work/fast/ffcl/tuning"
    for file in "$folder"/*.tried; do
        awk '/^#/ { print; next }
            /: $/ { print; own = $0 }
            /KREG=8 / && !done { known = $0; sub(/.*: /, "", known); done = 1 }
            END {
                n = split(own, word, /[ :]+/)
                printf "timed 1.0"
                for (i = 3; i < n; i++)
                    printf " %g", word[i] / 100
                print ": " known
            }' "$file" > "$work/fast/ffcl/tuning/${file##*/}"
    done
    FFCL_SHIM_SETS=KREG=8:hang XDG_CONFIG_HOME=$work/fast run tune "${small[@]}" --minutes 0.1
    unset LD_PRELOAD
    same "a comparison that does not end in time" "$code $(grep -c \
        '^the time was over before the best of .* run the same command again with --minutes 1$' \
        "$work/stdout") $(find "$work/fast" -name '*.txt' | wc -l)" "0 1 0"
else
    skip "--minutes" "no library can be preloaded"
fi

# Ctrl-C, or SIGTERM, as a shell's background job ignores SIGINT: what was found stays.
"$ffcl" tune "${small[@]}" --minutes 5 > /dev/null 2> stop.log &
pid=$!
for ((i = 0; i < 200; i++)); do
    ! grep -q 'configurations\? tried before' stop.log || break
    sleep 0.1
done
kill -TERM $pid 2> /dev/null
wait $pid
same "stopped: dies by the signal" "$?" 143
same "stopped: says what was kept" "$(tail -n 1 stop.log)" \
    "ffcl: stopped: what was tried is kept; run the same command again to resume"
same "stopped: no temporary files" "$(find "$folder" -name '*.tmp')" ""

# ---- afterwards ----

# Where nothing better was found, a set by hand stands in for what is written otherwise.
if [ "$n_files" = 0 ]; then
    file=$(echo "$folder"/*.tried)
    driver=$("$ffcl" devices | sed -n 's/^ *driver: \([^ ]*\) .*/\1/p' | head -n 1)
    sed "s/^device = .*/driver = $driver/" "$legal" > "${file%.tried}.txt"
fi

cpu=(device.select=cpu)
works "the demo with what was found" "${tiny[@]}" "${cpu[@]}" output.grid=after.png
has "its note names the file" "CLBlast's parameters: $folder"
has_not "and no hint any more" "ffcl tune finds"
works "the demo's recording" verify -q "$data/demo_seed1.ref.safetensors" "$demo" "${cpu[@]}" \
    blas.backend=clblast precision.compute=float32
works "SiT's recording" verify -q "$data/sit_h144_p2.ref.safetensors" \
    model.checkpoint="$data/sit_h144_p2.pt" "${cpu[@]}" blas.backend=clblast \
    precision.compute=float32

set=("${tiny[@]}" "${cpu[@]}" output.grid= output.folder="$work/set" output.resume=yes)
works "a set with what was found" "${set[@]}"
run -q "${set[@]}" sampler.count=1 blas.tuning=off
if [ "$code" = 17 ] && grep -q 'blas.products of .* was clblast, tuning' "$work/stderr"; then
    ok "it does not resume without"
else
    not_ok "it does not resume without"
fi
works "it resumes with" "${set[@]}"

file=$(echo "$folder"/*.txt)
cp "$file" kept.txt
sed -i 's/^driver = .*/driver = another/' "$file"
works "a file of another driver in its place" "${tiny[@]}" "${cpu[@]}" output.grid=other.png
has "a warning: not used" "was not tuned here"
echo noise >> "$file"
works "a damaged file in its place" "${tiny[@]}" "${cpu[@]}" output.grid=damaged.png
has "a warning: not used" "neither a [section] nor name = value; not used"
check "the image as before tuning" images equal before.png damaged.png
rm -r "$folder"

# ---- the self-check of GEMMs ----

# CLBlast up to 1.6.2 computes this wrong by itself.
if [ -n "$shim" ]; then
    works "the built-in GEMM" "${tiny[@]}" blas.backend=builtin output.grid=builtin.png
    for how in wrong fail; do
        export FFCL_CACHE_DIR=$work/cache-$how
        FFCL_SHIM_SGEMM=$how LD_PRELOAD=$shim works "CLBlast's GEMM $how" "${tiny[@]}" \
            output.grid=$how.png
        has "$how: a warning" "the built-in GEMM is used instead"
        check "$how: the image of the built-in GEMM" images equal builtin.png $how.png
    done
    FFCL_CACHE_DIR=$work/cache-wrong works "wrong: known at the next start" "${tiny[@]}" \
        output.grid=next.png
    has "wrong: and said again" "clblast computes wrong"
    FFCL_CACHE_DIR=$work/cache-fail works "fail: tried again at the next start" "${tiny[@]}" \
        output.grid=next.png
    has_not "fail: and found good" "built-in GEMM"
else
    skip "CLBlast's GEMM wrong or failing" "no library can be preloaded"
fi

finish
