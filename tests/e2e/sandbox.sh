#!/bin/bash
# SPDX-License-Identifier: MIT
# --sandbox: the same images, and a run that has been taken over can neither write nor read
# elsewhere.
. "$(dirname "$0")/lib.sh"
need_device

if [ -n "${FFCL_TEST_CFLAGS:-}" ]; then
    skip "--sandbox" "not with a sanitizer, which opens files of its own"
    finish
fi
run --sandbox inspect "$demo_sit"
if grep -q 'no Landlock' "$work/stderr"; then
    skip "--sandbox" "$(sed 's/^ffcl: //' "$work/stderr")"
    finish
fi

args=(-q "$demo" sampler.count=6 sampler.batch=4)
run "${args[@]}" output.folder=out/f output.npz=out/a.npz output.grid=out/g.png
same "outside" "$code" 0

mkdir home home/private grids secret
echo secret > secret/key
export FFCL_CACHE_DIR=$work/boxcache
run --sandbox "${args[@]}" output.folder=box output.npz=npz.npz output.grid=grids/g.png
same "inside: exit code" "$code" 0
check "inside: the same images" diff -r -x manifest.json box out/f
check "inside: the same npz" cmp npz.npz out/a.npz
check "inside: the same grid" cmp grids/g.png out/g.png
same "inside: nothing is left over" \
    "$(find . -path ./boxcache -prune -o -name '.*' -type f -print)" ""
same "what is kept for later starts is apart from what others use" "$(ls boxcache)" sandbox
rm box/000003.png
run --sandbox "${args[@]}" output.folder=box output.npz=npz.npz output.grid=grids/g.png
same "inside: the same command resumes" "$code" 0
check "inside: and is right" diff -r -x manifest.json box out/f

if need_shim "--sandbox, taken over"; then
    # The folders of loaded libraries can be read: this one has nothing else in it.
    mkdir library && mv "$shim" library && shim=$work/library/shim.so
    # taken_over NAME WANT WRITE READ ARGUMENT...: what a run that is no longer ffcl's can do.
    taken_over() {
        local name=$1 want=$2 try=$3:$4
        shift 4
        rm -rf taken answers && mkdir taken
        LD_PRELOAD=$shim FFCL_SHIM_ANSWER=$work/answers FFCL_SHIM_TRY=$try run "${args[@]}" \
            output.grid= output.folder=taken/f "$@"
        same "taken over, $name" "$code $(tr '\n' ' ' < answers)" "0 $want"
    }
    version=$(python3 -c "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))")
    tcp=13
    [ "$version" -ge 4 ] || tcp=111
    taken_over "outside: everything" "write 0 read 0 connect 111 " "$work/home/a" \
        "$work/secret/key"
    rm home/a
    taken_over "inside: nothing elsewhere" "write 13 read 13 connect $tcp " "$work/home/a" \
        "$work/secret/key" --sandbox
    same "taken over, inside: nothing was made" "$(ls home)" private
    taken_over "inside: the program itself, system files, weights are not for writing" \
        "write 13 read 0 connect $tcp " "$demo_sit" /etc/passwd --sandbox
    taken_over "inside: its own outputs" "write 0 read 0 connect $tcp " "$work/taken/f/x" \
        "$work/taken/f/x" --sandbox
    taken_over "inside: not the folder above" "write 13 read 13 connect $tcp " "$work/taken/x" \
        "$work/secret/key" --sandbox
    taken_over "inside: not the programs of other runs" "write 13 read 13 connect $tcp " \
        "$work/boxcache/x.bin" "$work/secret/key" --sandbox

    rm -rf "$out" && mkdir "$out"
    export LD_PRELOAD=$shim FFCL_SHIM_LANDLOCK=38
    refuses "a kernel without Landlock" 2 "there is no sandbox" "Landlock" -- --sandbox \
        "${args[@]}" output.grid="$out/g.png"
    unset LD_PRELOAD FFCL_SHIM_LANDLOCK
fi
rm -rf "$out" && mkdir "$out"
OMPI_COMM_WORLD_SIZE=1 refuses "mpirun" 2 "there is no sandbox under mpirun" -- --sandbox \
    "${args[@]}" output.grid="$out/g.png"
FFCL_CACHE_DIR= refuses "no cache folder" 2 "set FFCL_CACHE_DIR" -- --sandbox \
    "${args[@]}" output.grid="$out/g.png"

works "inspect" inspect --sandbox "$demo_sit"
works "verify" verify --sandbox "$data/demo_seed1.ref.safetensors" "$demo"
works "eval --make-network" eval --make-network network.safetensors
run eval --sandbox npz.npz --inception network.safetensors --save-stats stats.npz
same "eval" "$code $(ls stats.npz)" "0 stats.npz"
finish
