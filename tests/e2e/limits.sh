#!/bin/bash
# SPDX-License-Identifier: MIT
# Limits of the system, closed descriptors, signals and file systems without locks: a sentence, a
# documented exit code, nothing half-written, and the same command afterwards is right.
. "$(dirname "$0")/lib.sh"
need_device

args=("$demo" sampler.count=12 sampler.batch=2 output.grid=)
run -q "${args[@]}" output.folder=whole output.npz=whole.npz
same "an undisturbed run" "$code" 0

# ---- address space ----

if [ -n "${FFCL_TEST_CFLAGS:-}" ]; then
    skip "address space" "not with a sanitizer"
else
    for kb in 400000 700000 1000000; do
        (ulimit -v $kb && timeout -k 10 100 "$ffcl" -q "$demo" output.grid="$out/a.png") \
            > stdout 2> stderr < /dev/null
        code=$? last="ffcl under ulimit -v $kb"
        same "ulimit -v $kb: what is in the way" \
            "$code $(grep -c '^ffcl: the address space .*(ulimit -v)' stderr) $(ls "$out")" "14 1 "
    done
fi

# ---- the size of files ----

# too_large NAME BLOCKS OVERRIDE...: exit code 12, and the same command without the limit is right.
too_large() {
    local name=$1 blocks=$2
    shift 2
    rm -rf big && mkdir big
    (ulimit -f "$blocks" && "$ffcl" -q "${args[@]}" "$@") > stdout 2> stderr < /dev/null
    code=$? last="ffcl ${args[*]} $* under ulimit -f $blocks"
    same "$name: exit code and sentence" "$code $(grep -c '^ffcl: cannot write .*File too large' \
        stderr) $(wc -l < stderr)" "12 1 1"
    same "$name: no temporary file, no lock" \
        "$(find big -name '.*.tmp' -o -name '.*lock')" ""
    run -q "${args[@]}" "$@"
    same "$name: the same command" "$code" 0
}
too_large "ulimit -f, npz" 16 output.npz=big/a.npz
check "ulimit -f, npz: it is right" cmp big/a.npz whole.npz
too_large "ulimit -f, npz and folder" 16 output.npz=big/a.npz output.folder=big/f
check "ulimit -f, npz and folder: both are right" cmp big/a.npz whole.npz
check "ulimit -f, npz and folder: both are right, the folder" \
    diff -r -x manifest.json big/f whole
too_large "ulimit -f, grid" 8 output.grid=big/g.png output.columns=12

# ---- who reads what is printed ----

for closed in '0<&-' '1>&-' '2>&-' '0<&- 1>&- 2>&-'; do
    rm -rf closed && mkdir closed
    eval "\"\$ffcl\" \"\${args[@]}\" output.folder=closed/f output.npz=closed/a.npz $closed"
    same "closed at the start, $closed: exit code" "$?" 0
    check "closed at the start, $closed: nothing is printed into files" \
        cmp closed/a.npz whole.npz
    check "closed at the start, $closed: nor into images" \
        diff -r -x manifest.json closed/f whole
done
rm -rf closed && mkdir closed
{ "$ffcl" "${args[@]}" output.folder=closed/f; echo $? > code; } 2>&1 | true
for _ in $(seq 300); do [ -s code ] || sleep 0.1; done
same "a pipe whose reader is gone: the images are generated" \
    "$(cat code) $(find closed -name '.*' -type f)" "0 "
check "a pipe whose reader is gone: and are right" diff -r -x manifest.json closed/f whole

# ---- signals of batch systems ----

args=(-q "$demo" sampler.count=160 sampler.batch=2 output.grid=)
run "${args[@]}" output.folder=many
for signal in HUP XCPU; do
    rm -rf stop
    env --default-signal=$signal "$ffcl" "${args[@]}" output.folder=stop > stdout 2> stderr \
        < /dev/null &
    pid=$!
    for _ in $(seq 600); do
        [ "$(ls stop 2> /dev/null | grep -c '\.png$')" -lt 2 ] || break
        sleep 0.05
    done
    kill -$signal $pid
    wait $pid
    code=$? want=$((128 + $(kill -l $signal)))
    [ $signal != XCPU ] || want=15          # it does not die of that, which would leave a core
    same "SIG$signal: exit code, and nothing is left" "$code $(find stop -name '.*' -type f)" \
        "$want "
    run "${args[@]}" output.folder=stop
    same "SIG$signal: the same command" "$code" 0
    check "SIG$signal: the sample set is right" diff -r -x manifest.json stop many
done

# ---- no locks ----

args=("$demo" sampler.count=12 sampler.batch=2 output.grid=)
if need_shim "no locks"; then
    for number in 37 38 95 22:ofd; do
        rm -rf none
        LD_PRELOAD=$work/shim.so FFCL_SHIM_LOCKS=$number run -q "${args[@]}" output.folder=none \
            output.npz=none.npz
        want=1
        [ $number != 22:ofd ] || want=0
        same "locks fail with errno $number: a warning, and the sample set" \
            "$code $(grep -c '^ffcl: warning: the file system of none has no locks' \
                "$work/stderr") $(find . -name '.*' -type f)" "0 $want "
        check "locks fail with errno $number: it is right" cmp none.npz whole.npz
        rm none.npz
    done
fi

finish
