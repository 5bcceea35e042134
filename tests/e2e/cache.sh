#!/bin/bash
# SPDX-License-Identifier: MIT
# The cache of program binaries, which is never more than a help, and FFCL_CL_DIR.
. "$(dirname "$0")/lib.sh"
need_device

# The built-in GEMM needs no self-check, whose result would be one more entry.
tiny=("$demo" sampler.classes=1 sampler.count=1 blas.backend=builtin)
cache=$work/cache
export FFCL_CACHE_DIR=$cache

# ---- a driver that keeps its programs ----

# PoCL does, and would compile all a second time for a binary.
same "a driver with a cache of its own is not asked for binaries" \
    "$(env -u FFCL_BINARIES "$ffcl" -q "${tiny[@]}" output.grid=own.png 2>&1
        find "$cache" -name '*.bin')" ""
mkdir pocl-off
POCL_KERNEL_CACHE=0 FFCL_CACHE_DIR=$work/pocl-off timeout 600 "$ffcl" -q "${tiny[@]}" \
    output.grid=off.png
check "but is where that cache is off" test "$(find pocl-off -name '*.bin' | wc -l)" -gt 5
export FFCL_BINARIES=all

compiled() { # "N/N" of the last compiling line, or nothing
    sed -n 's/^compiling //p' "$work/stderr" | tail -n 1
}

# start NAME WANT: generates one image as before; WANT: compiles "all", "none", or a number.
start() {
    local name=$1 want=$2
    run "${tiny[@]}" output.grid=next.png
    [ "$want" != all ] || want=$n/$n
    [ "$want" != none ] || want=
    case $want in
    [0-9] | [0-9][0-9]) want=$want/$want ;;
    esac
    if [ "$code" = 0 ] && [ "$(compiled)" = "$want" ] && cmp -s first.png next.png; then
        ok "$name"
    else
        not_ok "$name" "wanted exit code 0, the same image, and compiling to be \"$want\""
    fi
}

# ---- warm and cold ----

works "the first start" "${tiny[@]}" output.grid=first.png
n=$(compiled)
n=${n#*/}
case $n in
[1-9] | [1-9][0-9]) ok "the first start compiles and says so" ;;
*) not_ok "the first start compiles and says so" "compiling: \"$n\"" ;;
esac
same "an entry for each program" "$(find "$cache" -name '*.bin' | wc -l)" "$n"
same "nothing else in the cache" "$(find "$cache" -type f ! -name '*.bin')" ""
start "the second start compiles nothing" none
run -q "${tiny[@]}" output.grid=next.png
same "--quiet prints nothing" "$(cat "$work/stdout" "$work/stderr")" ""

# ---- bad entries ----

entries=("$cache"/*.bin)
one=${entries[0]}
cp "$one" kept
damage() { # NAME COMMAND: the command changes entry $one
    eval "$2"
    start "$1: compiled again" 1
    if cmp -s kept "$one"; then
        ok "$1: replaced"
    else
        # A driver need not make the same bytes twice; the entry must be good, though.
        start "$1: replaced" none
    fi
    cp kept "$one"
}
damage "an empty entry" ': > "$one"'
damage "a truncated entry" 'head -c 1000 kept > "$one"'
damage "an entry without its last byte" 'head -c -1 kept > "$one"'
damage "a changed byte in the binary" \
    '{ head -c -100 kept; printf "\\377\\000\\377"; tail -c 97 kept; } > "$one"'
damage "an entry of another program" 'cp "${entries[1]}" "$one"'
damage "an entry of noise" 'head -c 5000 /dev/urandom > "$one"'
damage "an entry of text" 'echo hello > "$one"'

# A poisoned entry: header, key and checksum are right, the binary is none.
python3 - kept "$one" << 'PYTHON'
import struct
import sys
source, target = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
key, size, _ = struct.unpack("<QQQ", data[8:32])
binary = data[32 + key:]
assert len(binary) == size
binary = bytes((i * 37 + 11) % 251 for i in range(size))
value = 1469598103934665603
for byte in binary:
    value = (value ^ byte) * 1099511628211 % 2**64
with open(target, "wb") as f:
    f.write(data[:8] + struct.pack("<QQQ", key, size, value) + data[32:32 + key] + binary)
PYTHON
start "a poisoned entry that the driver refuses: compiled again" 1
cp kept "$one"

# One that the driver may not survive: a start that dies of it is the last one.
for part in 3 6 9; do
    python3 - kept "$one" $part << 'PYTHON'
import struct
import sys
source, target, tenths = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
key, size, _ = struct.unpack("<QQQ", data[8:32])
binary = data[32 + key:32 + key + size * int(tenths) // 10]
value = 1469598103934665603
for byte in binary:
    value = (value ^ byte) * 1099511628211 % 2**64
with open(target, "wb") as f:
    f.write(data[:8] + struct.pack("<QQQ", key, len(binary), value) + data[32:32 + key] + binary)
PYTHON
    run -q "${tiny[@]}" output.grid=next.png
    died=$code
    run -q "${tiny[@]}" output.grid=next.png
    said=$(grep -c '^ffcl: warning: the driver did not survive the cached program' "$work/stderr")
    [ "$died" != 0 ] || said="1 as the driver refused it"
    same "$part tenths of a binary (exit code $died): the next start compiles again" \
        "$code ${said% as*} $(find "$cache" -type f ! -name '*.bin')" "0 1 "
    check "$part tenths of a binary: the same image" cmp first.png next.png
    start "$part tenths of a binary: and is cached again" none
    cp kept "$one"
done

for f in "${entries[@]}"; do
    : > "$f"
done
start "every entry empty: all compiled again" all
start "and cached again" none

# ---- others on the machine ----

distrusts() { # NAME WORDS: the folder is not used, and one line says so
    run "${tiny[@]}" output.grid=next.png
    same "$1" "$code $(compiled) $(grep -c "^ffcl: warning: the cache of programs, .*$2" \
        "$work/stderr")" "0 $n/$n 1"
}
same "the folder is the user's alone" "$(stat -c %a "$cache")" 700
same "and so is an entry" "$(stat -c %a "$one")" 600
for mode in 777 1777 720; do
    chmod $mode "$cache"
    distrusts "a folder of mode $mode" "can be written by other users"
done
chmod 700 "$cache"
start "its own folder again" none
chmod 666 "$one"
start "an entry that others may write: compiled again" 1
if [ "$(id -u)" = 0 ]; then
    chown 12345 "$cache"
    distrusts "a folder of another user" "belongs to another user"
    chown 0 "$cache"
    chown 12345 "$one"
    start "an entry of another user: compiled again" 1
else
    skip "a folder of another user" "only root can make one"
fi
mkfifo fifo
mv "$one" aside && mv fifo "$one"
start "an entry that is a FIFO: compiled again" 1
rm -f "$one"
# Names that another user could foresee: nothing is written through a link.
echo victim > victim
ln -s "$work/victim" "$one"
start "a link in place of an entry: compiled again" 1
same "what the link names is as it was, and the link is gone" \
    "$(cat victim) $(find "$cache" -type l)" "victim "

# ---- bad folders ----

# Root may write anywhere, so a file stands where the folder should be.
: > file
FFCL_CACHE_DIR=$work/file start "the cache folder is a file" all
FFCL_CACHE_DIR=/proc/nonexistent start "the cache folder cannot be made" all
if [ "$(id -u)" != 0 ]; then
    mkdir -m 500 locked
    FFCL_CACHE_DIR=$work/locked start "the cache folder is read-only" all
else
    skip "the cache folder is read-only" "root writes anywhere"
fi
FFCL_CACHE_DIR='' start "no cache folder" all
mkdir home xdg
(
    unset FFCL_CACHE_DIR
    export HOME=$work/home XDG_CACHE_HOME=$work/xdg
    timeout $patience "$ffcl" -q "${tiny[@]}" output.grid=next.png
    unset XDG_CACHE_HOME
    timeout $patience "$ffcl" -q "${tiny[@]}" output.grid=next.png
)
same "XDG_CACHE_HOME" "$(find xdg/ffcl -name '*.bin' | wc -l)" "$n"
same "~/.cache" "$(find home/.cache/ffcl -name '*.bin' | wc -l)" "$n"

# Two at once, both with an empty cache.
rm -rf "$cache"
for i in 1 2; do
    timeout $patience "$ffcl" -q "${tiny[@]}" output.grid=at-once-$i.png > log-$i 2>&1 &
done
wait
check "two first starts at once: the first" cmp first.png at-once-1.png
check "two first starts at once: the second" cmp first.png at-once-2.png
start "and a good cache" none
same "no temporary files" "$(find "$cache" -type f ! -name '*.bin')" ""

# ---- sources from a folder ----

cp -r "$root/cl" cl
export FFCL_CL_DIR=$work/cl
start "FFCL_CL_DIR with the same sources: the cache serves" none
echo '/* another text */' >> cl/image.cl
start "a changed source: it alone is compiled again" 1
echo '/* another text */' >> cl/common.cl
start "a changed common.cl: all is compiled again" all

line=$(($(wc -l < cl/latent.cl) + 1))
echo 'this is no OpenCL C;' >> cl/latent.cl
refuses "a broken kernel: its name and the line" 8 latent.cl "latent.cl:$line:" \
    "does not build on" CL_BUILD_PROGRAM_FAILURE -- "${tiny[@]}" output.grid="$out/a.png"
line=$(($(wc -l < cl/common.cl) + 1))
echo 'this is no OpenCL C;' >> cl/common.cl
refuses "a broken common.cl: its name and the line" 8 "common.cl:$line:" -- \
    "${tiny[@]}" output.grid="$out/a.png"
cp "$root/cl/common.cl" cl/common.cl
sed 's/latent_update/latent_other/' "$root/cl/latent.cl" > cl/latent.cl
refuses "a kernel of another name" 8 latent.cl "no usable kernel latent_update" -- \
    "${tiny[@]}" output.grid="$out/a.png"
sed 's/int terms/int more, int terms/' "$root/cl/latent.cl" > cl/latent.cl
refuses "a kernel with another number of arguments: a sentence" 8 \
    "kernel latent_update_f32 takes" "FFCL_CL_DIR has kernels of another version" -- \
    "${tiny[@]}" output.grid="$out/a.png"
rm cl/latent.cl
refuses "a missing source: its path" 4 "$work/cl/latent.cl" FFCL_CL_DIR -- \
    "${tiny[@]}" output.grid="$out/a.png"
mkdir cl/latent.cl
refuses "a folder for a source: its path" 4 "$work/cl/latent.cl" -- \
    "${tiny[@]}" output.grid="$out/a.png"
FFCL_CL_DIR=$work/none refuses "a missing folder: the path" 4 "$work/none/common.cl" -- \
    "${tiny[@]}" output.grid="$out/a.png"
rm -r cl/latent.cl
cp "$root/cl/latent.cl" cl/latent.cl
start "the sources are whole again" none

# ---- another release of a platform, which its version says at the end of a long text ----

if build_device_shim; then
    rm -f "$cache"/*.bin
    for release in A B A; do
        FFCL_SHIM_DEVICE=release=$release LD_PRELOAD=$shim_device run "${tiny[@]}" output.grid=x.png
        numbers="${numbers:-} $(ls "$cache" | grep -c '\.bin$')"
    done
    read -r first second third <<< "$numbers"
    same "programs of another release are not taken" \
        "$code $((first > 5)) $((second == 2 * first)) $((third == second))" "0 1 1 1"
fi

finish
