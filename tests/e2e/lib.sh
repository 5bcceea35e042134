# SPDX-License-Identifier: MIT
# What the end-to-end scripts share.  Each is run as  bash tests/e2e/NAME.sh [BUILD]  and prints
# "ok - ...", "not ok - ..." or "skip - ... (reason)" a test and the counts last.
# shellcheck shell=bash disable=SC2034

set -u
export LC_ALL=C
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "$root" && cd "${1:-build}" && pwd) || exit 2
ffcl=$build/ffcl
data=$root/tests/data
demo=$root/config/demo.ini
demo_sit=$root/config/demo/freeflow-digits.pt
demo_vae=$root/config/demo/vae-digits/diffusion_pytorch_model.safetensors

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
out=$work/out                   # where outputs of the tested runs go; refuses wants it empty
mkdir "$out"
cd "$work" || exit 2
export FFCL_CACHE_DIR=${FFCL_CACHE_DIR-$work/cache}
export XDG_CONFIG_HOME=$work/config
# How long one call of ffcl may take, in seconds; a sanitizer's takes several times as long.
patience=300
[ -z "${FFCL_TEST_CFLAGS:-}" ] || patience=1200
n_passed=0 n_failed=0 n_skipped=0

ok() { # NAME
    n_passed=$((n_passed + 1))
    echo "ok - $1"
}

# The reasons and what the last run printed go below the line.
not_ok() { # NAME REASON...
    n_failed=$((n_failed + 1))
    echo "not ok - $1"
    shift
    [ $# = 0 ] || printf '    %s\n' "$@"
    if [ -n "${code:-}" ]; then
        echo "    the last run: $last"
        echo "    exit code $code, stdout and stderr:"
        head -n 40 "$work/stdout" "$work/stderr" | sed 's/^/    | /'
    fi
}

# basic_device: the name of PoCL's device without threads, which differs between versions; nothing
# without PoCL.
basic_device() {
    POCL_DEVICES=basic "$ffcl" devices 2> /dev/null | awk '
        /^\[[0-9]+\] / { name = $0; sub(/^\[[0-9]+\] /, "", name); sub(/ \([0-9:]+\)$/, "", name) }
        /^ *platform: Portable Computing Language/ { print name; exit }'
}

# mpi RANKS ARGUMENT...: as run, ffcl-mpi in so many processes, each behind the words of `program`.
program=()
mpi() {
    local n=$1
    shift
    last="mpirun -np $n ffcl-mpi $*"
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm=isolated \
        OMPI_MCA_btl_vader_single_copy_mechanism=none timeout -k 10 $patience \
        mpirun --oversubscribe --bind-to none -np "$n" "${program[@]}" "$build/ffcl-mpi" "$@" \
        > "$work/stdout" 2> "$work/stderr" < /dev/null
    code=$?
}

# CC may have words, such as ccache gcc.
read -ra compiler <<< "${CC:-cc}"

# build_shim: the library that tests preload, as $shim; 1 where it cannot be used.
build_shim() {
    shim=$work/shim.so
    [ -z "${FFCL_TEST_CFLAGS:-}" ] &&
        "${compiler[@]}" -shared -fPIC -D_GNU_SOURCE -DCL_TARGET_OPENCL_VERSION=120 -o "$shim" \
            "$root/tests/shim.c" "$root/tests/shim_faults.c" -ldl 2> "$work/compile.log"
}

# build_device_shim: the library that makes another device of ours, as $shim_device; 1 where it
# cannot be used.
build_device_shim() {
    shim_device=$work/shim_device.so
    [ -z "${FFCL_TEST_CFLAGS:-}" ] &&
        "${compiler[@]}" -shared -fPIC -D_GNU_SOURCE -DCL_TARGET_OPENCL_VERSION=120 \
            -o "$shim_device" "$root/tests/shim_device.c" -ldl -lpthread 2> "$work/compile.log"
}

# on_gpu LIMITS ARGUMENT...: ffcl on such a GPU of build_device_shim; $code, and in $work/peak the
# most bytes of its buffers.
on_gpu() {
    local limits=$1
    shift
    rm -f "$work/peak"
    FFCL_SHIM_DEVICE=gpu,$limits FFCL_SHIM_PEAK=$work/peak LD_PRELOAD=$shim_device \
        timeout -k 10 $((2 * patience)) "$ffcl" "$@" > "$work/stdout" 2> "$work/stderr" < /dev/null
    code=$?
}

# need_shim NAME: the same; skips the test under a sanitizer, and fails it where the library does
# not build.
need_shim() {
    build_shim && return
    if [ -n "${FFCL_TEST_CFLAGS:-}" ]; then
        skip "$1" "not with a sanitizer"
    else
        not_ok "the preloaded library builds" "$(cat "$work/compile.log")"
    fi
    return 1
}

skip() { # NAME REASON
    n_skipped=$((n_skipped + 1))
    echo "skip - $1 ($2)"
}

# check NAME COMMAND...: ok if the command succeeds.
check() {
    local name=$1
    shift
    if "$@" > "$work/command" 2>&1; then
        ok "$name"
    else
        not_ok "$name" "failed: $*" "$(cat "$work/command")"
    fi
}

# same NAME GOT WANT: ok if the texts are equal.
same() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "got  $2" "want $3"
    fi
}

# run ARGUMENT...: ffcl, leaving $code, $work/stdout and $work/stderr.
run() {
    last="ffcl $*"
    timeout -k 10 $patience "$ffcl" "$@" > "$work/stdout" 2> "$work/stderr" < /dev/null
    code=$?
}

# works NAME ARGUMENT...: ok if ffcl exits with 0.
works() {
    local name=$1
    shift
    run "$@"
    if [ "$code" = 0 ]; then
        ok "$name"
    else
        not_ok "$name"
    fi
}

# says FILE WORD...: prints what of the words is not in the file.
lacks() {
    local file=$1 word
    shift
    for word in "$@"; do
        grep -qF -- "$word" "$file" || echo "lacks: $word"
    done
}

# refuses NAME CODE [WORD...] -- ARGUMENT...: ok if ffcl exits with CODE, stderr is exactly one
# sentence with these words in it (a compiler's log may follow it), and no file was left in $out.
refuses() {
    local name=$1 want=$2 words=() reasons=() missing
    shift 2
    while [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift
    run -q "$@"
    [ "$code" = "$want" ] || reasons+=("exit code $code, not $want")
    # What a driver printed may follow the sentence.
    sed '/^ffcl: the driver or a library printed:/d' "$work/stderr" | grep -c '^ffcl: ' |
        grep -qx 1 || reasons+=("not exactly one sentence")
    [ "$want" = 8 ] || [ "$(wc -l < "$work/stderr")" = 1 ] || reasons+=("not exactly one line")
    missing=$(lacks "$work/stderr" "${words[@]}")
    [ -z "$missing" ] || reasons+=("$missing")
    [ -z "$(ls -A "$out")" ] || reasons+=("left behind: $(ls -A "$out")")
    if [ ${#reasons[@]} = 0 ]; then
        ok "$name"
    else
        not_ok "$name" "${reasons[@]}"
        rm -rf "$out"
        mkdir "$out"
    fi
}

edit() { # IN OUT OPERATION...
    python3 "$root/tests/edit_safetensors.py" "$@" || echo "lib.sh: cannot edit $1" >&2
}

images() {
    python3 "$root/tests/images.py" "$@"
}

# Call first in a script that is useless without a device.
need_device() {
    "$ffcl" devices > /dev/null 2>&1 && return
    if [ "${CI:-}" = true ]; then
        not_ok "an OpenCL device" "none is there"
    else
        skip "$(basename "$0")" "no OpenCL device"
    fi
    finish
}

# Call last.
finish() {
    echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
    [ $n_failed = 0 ] && exit 0
    exit 1
}
