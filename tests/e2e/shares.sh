#!/bin/bash
# SPDX-License-Identifier: MIT
# One set by several devices, several processes of mpirun, and several jobs that know their rank
# only: the same files, byte for byte, as by one device.
. "$(dirname "$0")/lib.sh"
need_device

# Enough that everyone gets a share before the first to start has generated all.
count=97
args=(-q "$demo" output.grid= sampler.count=$count)

equal() { # NAME FOLDER NPZ: both are those of one device
    local name=$1 reasons=()
    diff -r -x manifest.json "$2" one > differ 2>&1 || reasons+=("$(head -n 3 differ)")
    cmp "$3" one.npz > differ 2>&1 || reasons+=("$(cat differ)")
    [ -z "$(find . -name '.*' -type f ! -path './cache/*')" ] ||
        reasons+=("left: $(find . -name '.*' -type f ! -path './cache/*')")
    if [ ${#reasons[@]} = 0 ]; then
        ok "$name"
    else
        not_ok "$name" "${reasons[@]}"
    fi
}

works "one device" "${args[@]}" output.folder=one output.npz=one.npz

# ---- readers of the npz ----

numpy=''
for p in python3 /usr/bin/python3; do
    [ -n "$numpy" ] || ! "$p" -c 'import numpy' 2> /dev/null || numpy=$p
done
if [ -n "$numpy" ]; then
    same "NumPy reads the npz" "$("$numpy" -c '
import numpy
a = numpy.load("one.npz")["arr_0"]
print(a.shape, a.dtype, a.flags.c_contiguous)' 2>&1)" "($count, 64, 64, 3) uint8 True"
else
    skip "NumPy reads the npz" "NumPy is not installed"
fi
if command -v unzip > /dev/null; then
    check "unzip -t finds no fault in it" unzip -t one.npz
else
    skip "unzip -t" "unzip is not installed"
fi

# ---- any batch, any number of threads ----

for batch in 1 3 $count; do
    rm -rf f a.npz
    works "batch $batch" "${args[@]}" output.folder=f output.npz=a.npz sampler.batch=$batch \
        output.threads=$batch
    equal "batch $batch: the same set" f a.npz
done

# ---- several devices in one process ----

if [ "$("$ffcl" devices | grep -c 'Portable Computing Language')" != 0 ]; then
    export POCL_DEVICES="pthread pthread"
    for select in all portable "portable,all"; do
        rm -rf f a.npz
        works "device.select = $select, of two" "${args[@]}" device.select="$select" \
            output.folder=f output.npz=a.npz sampler.batch=3
        equal "device.select = $select, of two: the same set" f a.npz
    done
    same "both generated" "$(python3 - << 'PYTHON'
import json
(run,) = json.load(open("f/manifest.json"))["runs"]
made = [d["images"] for d in run["devices"]]
print(len(made), sum(made), min(made) > 0)
PYTHON
    )" "2 $count True"
    if ! build_shim; then
        skip "a device that fails" "no library can be preloaded here"
    else
        for victim in 0:3 1:3 0:1; do
            rm -rf f a.npz
            FFCL_SHIM_READS=$victim LD_PRELOAD=$work/shim.so run "${args[@]}" device.select=all \
                output.folder=f output.npz=a.npz sampler.batch=2
            same "device and read $victim fails: the run continues" "$code" 0
            warning='^ffcl: warning: device [01], .* is left out: .*CL_OUT_OF_RESOURCES.*others$'
            same "and tells of it" "$(grep -c "$warning" "$work/stderr")" 1
            equal "device and read $victim fails: the same set" f a.npz
        done
        rm -rf f a.npz
        FFCL_SHIM_READS=-1:5 LD_PRELOAD=$work/shim.so run "${args[@]}" device.select=all \
            output.folder=f output.npz=a.npz sampler.batch=2
        same "all devices fail: the exit code" "$code" 10
        same "all devices fail: one sentence" \
            "$(grep -c '^ffcl: OpenCL call failed: clEnqueueReadBuffer' "$work/stderr")" 1
        works "the same command resumes" "${args[@]}" device.select=all output.folder=f \
            output.npz=a.npz
        equal "all devices failed, and gone on with: the same set" f a.npz
    fi
    unset POCL_DEVICES
else
    skip "several devices" "no PoCL"
fi

# ---- jobs of an array: world and rank alone ----

rm -rf f a.npz
array=("${args[@]}" sampler.world=3 output.folder=f output.npz=a.npz)
works "rank 1 of 3" "${array[@]}" sampler.rank=1
same "its images" "$(ls f | tr '\n' ' ')" \
    "$(seq -f '%06g.png' 1 3 $((count - 1)) | tr '\n' ' ')images.crc32 labels.txt manifest.json "
check "no npz yet" [ ! -e a.npz ]
"$ffcl" "${array[@]}" sampler.rank=0 > stdout0 2>&1 < /dev/null &
first=$!
"$ffcl" "${array[@]}" sampler.rank=2 > stdout2 2>&1 < /dev/null &
wait $first
codes=$?
wait $!
same "ranks 0 and 2 at once" "$codes $? $(cat stdout0 stdout2)" "0 0 "
equal "three jobs: the same set, and the npz by the last" f a.npz
same "the manifest tells of all" "$(python3 - << 'PYTHON'
import json
runs = json.load(open("f/manifest.json"))["runs"]
print(sorted((r["rank"], r["end"], r["generated"]) for r in runs))
PYTHON
)" "[('0 of 3', 'complete', 33), ('1 of 3', 'complete', 32), ('2 of 3', 'complete', 32)]"
rm f/000005.png a.npz
works "a job again" "${array[@]}" sampler.rank=2
equal "it repairs its share and makes the npz" f a.npz
run "${array[@]}" sampler.rank=2 sampler.seed=4
same "a job with another seed" "$code" 17

# ---- processes of mpirun ----

program=()
if [ -x "$build/ffcl-mpi" ] && command -v mpirun > /dev/null; then
    for n in 2 3 4; do
        rm -rf f a.npz
        mpi $n "${args[@]}" output.folder=f output.npz=a.npz sampler.batch=2
        same "mpirun -np $n" "$code $(cat "$work/stderr")" "0 "
        equal "mpirun -np $n: the same set" f a.npz
    done
    same "all ranks drew" "$(python3 - << 'PYTHON'
import json
(run,) = json.load(open("f/manifest.json"))["runs"]
made = [d["images"] for d in run["devices"]]
print(run["processes"], len(made), sum(made), sum(1 for d in made if d) > 1)
PYTHON
    )" "4 4 $count True"
    rm -rf f/00000*.png a.npz
    mpi 2 "${args[@]}" output.npz=a.npz output.folder=f
    same "mpirun resumes a sample set" "$code" 0
    equal "the same set" f a.npz
    rm a.npz
    mpi 2 "${args[@]}" output.npz=a.npz
    same "mpirun, npz alone" "$code $(cmp a.npz one.npz)" "0 "
    rm -f a.npz*
    mpi 2 "${args[@]}" output.folder=f sampler.seed=9
    same "mpirun, other settings" "$code $(grep -c '^ffcl: f/manifest.json was begun' \
        "$work/stderr")" "17 1"
    works "the program with MPI, started alone" "${args[@]}" output.folder=f output.npz=a.npz
    # A rank that is started with another seed; its sentence comes from rank 0.
    cat > odd.sh << 'SCRIPT'
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || set -- "$@" sampler.seed=9
exec "$@"
SCRIPT
    program=(sh odd.sh)
    rm -rf f a.npz
    mpi 2 "${args[@]}" output.folder=f output.npz=a.npz
    same "a rank with other settings" "$code $(grep -c '^ffcl: rank 1: its settings' \
        "$work/stderr")" "3 1"
    # And one with other kernels.
    cat > odd.sh << 'SCRIPT'
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || export FFCL_CL_DIR=$PWD/other_cl
exec "$@"
SCRIPT
    cp -r "$root/cl" other_cl
    echo '/* another */' >> other_cl/embed.cl
    rm -rf f a.npz
    mpi 2 "${args[@]}" output.folder=f output.npz=a.npz
    same "a rank with other kernels" "$code $(grep -c '^ffcl: rank 1: its settings' \
        "$work/stderr")" "3 1"
    # With another library, on a device of the same name.
    cat > odd.sh << 'SCRIPT'
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || set -- "$@" blas.backend=builtin
exec "$@"
SCRIPT
    rm -rf f a.npz
    if [ "$("$ffcl" "${args[@]}" --dry-run 2>&1 | grep -c builtin)" = 0 ]; then
        mpi 2 "${args[@]}" output.folder=f output.npz=a.npz sampler.batch=1
        same "a rank that multiplies otherwise" "$code $(grep -c \
            '^ffcl: rank 1: two devices of this run have one name' "$work/stderr")" "17 1"
    fi
    # Of another kind: each is in the manifest, with what it computes with.
    if [ "$("$ffcl" devices | grep -c 'Portable Computing Language')" != 0 ] &&
        [ "${POCL_DEVICES:-}" != basic ]; then
        cat > odd.sh << 'SCRIPT'
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || export POCL_DEVICES=basic
exec "$@"
SCRIPT
        rm -rf f a.npz
        mpi 2 "${args[@]}" output.folder=f output.npz=a.npz sampler.batch=1
        same "a rank with another kind of device" "$code $(grep -c 'of several kinds' \
            "$work/stderr") $(grep -c '"blas.products of ' f/manifest.json)" "0 1 2"
    fi
    # Another build, which has another commit.
    commit=$("$ffcl" --version | sed -n '1s/.*(\(.*\))$/\1/p')
    LC_ALL=C sed "s/0\.1\.0 $commit/0.1.1 $commit/" "$build/ffcl-mpi" > other-mpi
    chmod +x other-mpi
    cat > odd.sh << 'SCRIPT'
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || { shift; set -- ./other-mpi "$@"; }
exec "$@"
SCRIPT
    rm -rf f a.npz
    mpi 2 "${args[@]}" output.folder=f output.npz=a.npz
    same "a rank of another build" "$code $(grep -c "^ffcl: rank 1: its ffcl is not rank 0's" \
        "$work/stderr")" "3 1"
    program=()
    # SIGTERM to all ranks, as a scheduler sends it; then while rank 1 is still compiling.
    cat > late.sh << 'SCRIPT'
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || export FFCL_CACHE_DIR=late POCL_CACHE_DIR=$PWD/late
exec "$@"
SCRIPT
    for how in "" "late "; do
        rm -rf f a.npz
        program=(env --default-signal=INT,TERM)
        [ -z "$how" ] || program+=(sh late.sh)
        mpi 2 "${args[@]}" output.folder=f output.npz=a.npz sampler.batch=1 &
        job=$!
        for _ in $(seq 600); do
            [ "$(ls f 2> /dev/null | grep -c '\.png$')" -lt 2 ] || break
            sleep 0.05
        done
        # Those whose current folder is ours.
        for p in /proc/[0-9]*; do
            if [ "$(readlink "$p/exe")" = "$build/ffcl-mpi" ] &&
                [ "$(readlink "$p/cwd")" = "$work" ]; then
                kill -TERM "${p#/proc/}"
            fi
        done
        wait $job
        same "${how}SIGTERM: says how to resume" \
            "$(grep -c "^ffcl: stopped: [0-9]* of $count images are there; run the same" \
            "$work/stderr")" 1
        program=()
        mpi 2 "${args[@]}" output.folder=f output.npz=a.npz
        same "after ${how}SIGTERM the same command resumes" "$code" 0
        equal "after ${how}SIGTERM: the same set" f a.npz
    done
    # A rank that is killed takes the others with it; then the same command resumes.
    rm -rf f a.npz
    cat > die.sh << 'SCRIPT'
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || { "$@" & sleep 1; kill -KILL $!; wait $!; exit 137; }
exec "$@"
SCRIPT
    program=(sh die.sh)
    mpi 2 "${args[@]}" output.folder=f output.npz=a.npz sampler.batch=1
    check "a killed rank: no success" [ "$code" != 0 ]
    program=()
    mpi 2 "${args[@]}" output.folder=f output.npz=a.npz
    same "a killed rank: the same command resumes" "$code" 0
    equal "a killed rank: the same set" f a.npz
    if ! ldd "$ffcl" | grep -q libmpi; then
        last="mpirun -np 2 ffcl"
        code=$(OMPI_COMM_WORLD_SIZE=2 "$ffcl" "${args[@]}" output.folder=f > "$work/stdout" \
            2> "$work/stderr"; echo $?)
        same "mpirun of a program without MPI" "$code $(grep -c 'make MPI=1' "$work/stderr")" "2 1"
    fi
else
    skip "processes of mpirun" "no Open MPI, or $build/ffcl-mpi was not built"
fi

# ---- random classes, and PyTorch's generator on several cards ----

generate() { # OUT ARGUMENT...
    local out=$1
    shift
    works "$*" "${args[@]}" output.npz="$out" "$@"
}
generate random.npz sampler.classes=random
generate random1.npz sampler.classes=random sampler.batch=1
check "random classes do not depend on the batch" cmp random.npz random1.npz
generate random2.npz sampler.classes=random sampler.draw_batch=5
check "but on draw_batch, as in the script" [ "$(cmp -s random.npz random2.npz; echo $?)" = 1 ]
generate balanced.npz sampler.classes=balanced
check "balanced: the ten classes in turn" cmp balanced.npz one.npz
printf '0 1 2\n3,4 5-9\n' > labels.txt
generate file.npz sampler.classes=file:labels.txt
check "a file of labels" cmp file.npz one.npz
cuda=(sampler.rng=torch-cuda sampler.classes=random sampler.world=2 sampler.draw_batch=4)
generate cuda.npz "${cuda[@]}"
generate cuda3.npz "${cuda[@]}" sampler.batch=3
check "torch-cuda: any batch" cmp cuda.npz cuda3.npz
mkdir cards
for rank in 1 0; do
    works "torch-cuda, rank $rank" "${args[@]}" output.folder=cards/f output.npz=cards/a.npz \
        "${cuda[@]}" sampler.rank=$rank
done
check "torch-cuda: one process for all ranks, or one for each" cmp cuda.npz cards/a.npz
generate world3.npz "${cuda[@]}" sampler.world=3
check "torch-cuda: world decides what is generated" [ "$(cmp -s cuda.npz world3.npz; echo $?)" = 1 ]

# ---- the ready INI file ----

works "config/fid50k.ini, with the demo's weights" -q "$root/config/fid50k.ini" sampler.count=8 \
    model.checkpoint="$demo_sit" model.heads=2 vae.weights="$demo_vae"
same "config/fid50k.ini: folder and npz" "$(ls fid50k | grep -c '\.png$') $(ls fid50k.npz)" \
    "8 fid50k.npz"
check "config/fid50k.ini: a sound npz" images npz fid50k.npz 8 arrays

finish
