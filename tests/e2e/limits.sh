#!/bin/bash
# SPDX-License-Identifier: MIT
# Limits of the system, closed descriptors, signals and file systems without locks: a sentence, a
# documented exit code, nothing half-written, and the same command afterwards is right.
. "$(dirname "$0")/lib.sh"
need_device
# PoCL's compiler writes larger files than are allowed here, whatever it has compiled before.
export FFCL_BINARIES=all

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
(ulimit -f 1 && "$ffcl" init new.ini) > stdout 2> stderr < /dev/null
same "ulimit -f, init: exit code, sentence, no half of a file" \
    "$? $(grep -c '^ffcl: cannot write new.ini: File too large' stderr) $(ls | grep -Fx new.ini)" \
    "12 1 "
works "ulimit -f, init: the same command" init new.ini

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

# Of the other commands, too, those that write files continue; the others end as any program in a
# pipe does, without a word.
python3 "$root/tests/npz.py" images few.npz 2 16 16 2
"$ffcl" eval --make-network net.safetensors
cat > unread.py << 'PYTHON'
"""unread.py o|e COMMAND...: its stdout or stderr is a pipe that nobody reads; prints its exit
code, negative where a signal ended it, and what it said on the other."""
import os, signal, subprocess, sys
r, w = os.pipe()
os.close(r)
streams = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
streams["stdout" if sys.argv[1] == "o" else "stderr"] = w
p = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, **streams,
                     preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
os.close(w)
out, err = p.communicate()
lines = (err or b"").decode().splitlines()
print(p.returncode, [line for line in lines if line.startswith("ffcl: ")])
PYTHON
said="['ffcl: cannot write to stdout: Broken pipe']"
while IFS='|' read -r file arguments; do
    read -ra words <<< "$arguments"
    for stream in e o; do
        rm -rf made && mkdir made
        want="0 []"
        [ $stream = e ] || want="12 $said"
        same "${words[0]}: nobody reads std$stream: exit code and sentence" \
            "$(python3 unread.py $stream "$ffcl" "${words[@]}")" "$want"
        same "${words[0]}: nobody reads std$stream: the file is there, and nothing else" \
            "$(ls -A made)" "$file"
    done
done << COMMANDS
x.safetensors|convert $demo_sit made/x.safetensors
x.ini|init made/x.ini
x.npz|eval few.npz --inception net.safetensors --save-stats made/x.npz
x.json|bench softmax --quick --repeats 1 --json made/x.json
COMMANDS
for words in keys --help classes presets devices "inspect $demo_sit" "bench --list"; do
    # shellcheck disable=SC2086
    same "$words: nobody reads: ended by the signal, without a word" \
        "$(python3 unread.py o "$ffcl" $words)" "-13 []"
done

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
        rm -rf lockless
        LD_PRELOAD=$work/shim.so FFCL_SHIM_LOCKS=$number run -q "${args[@]}" \
            output.folder=lockless output.npz=none.npz
        want=1
        [ $number != 22:ofd ] || want=0
        same "locks fail with errno $number: a warning, and the sample set" \
            "$code $(grep -c '^ffcl: warning: the file system of lockless has no locks' \
                "$work/stderr") $(find . -name '.*' -type f)" "0 $want "
        check "locks fail with errno $number: it is right" cmp none.npz whole.npz
        rm none.npz
    done
fi

# ---- a lock file that cannot be removed ----

if need_shim "a lock file that stays"; then
    for n in $(seq 8); do
        rm -rf stays
        FFCL_CACHE_DIR='' LD_PRELOAD=$work/shim.so FFCL_SHIM_FAIL=unlink:$n:5 run -q "${args[@]}" \
            output.folder=stays
        [ ! -e stays/.ffcl.lock ] || break
    done
    same "a lock file that cannot be removed: it is said, and the images are there" \
        "$code $(grep -c '^ffcl: warning: the lock file stays/.ffcl.lock cannot be removed' \
            "$work/stderr") $(find stays -name '*.png' | wc -l)" "0 1 12"
    run -q "${args[@]}" output.folder=stays
    same "a lock file that stays hinders nobody, and goes with the next run" \
        "$code $(find stays -name '.*' -type f)" "0 "
fi

# ---- stack and processes ----

stacked() { # KB
    (ulimit -s "$1" && "$ffcl" -q "${args[@]}" output.folder=stack) > stdout 2> stderr < /dev/null
    code=$? last="ffcl under ulimit -s $1"
}
for kb in 256 unlimited; do
    rm -rf stack
    stacked $kb
    same "ulimit -s $kb: exit code" "$code" 0
    check "ulimit -s $kb: the images" diff -r -x manifest.json stack whole
done

# A limit on processes holds no root, so another user runs it, in folders that are his.
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
    mkdir few_home && chmod 755 "$work" && cp "$ffcl" few_home/ffcl
    cp -r "$root/config" few_home/config && chown -R 65533:65533 few_home
    for n in 1 2 4 8 16 200; do
        rm -rf few_home/out
        (cd few_home && ulimit -u $n && HOME=$work/few_home FFCL_CACHE_DIR=$work/few_home/cache \
            POCL_CACHE_DIR=$work/few_home/pocl XDG_CONFIG_HOME=$work/few_home \
            timeout -k 10 200 setpriv --reuid 65533 --regid 65533 --clear-groups ./ffcl -q \
            config/demo.ini sampler.count=2 output.grid= output.folder=out) \
            > stdout 2> stderr < /dev/null
        code=$? last="ffcl under ulimit -u $n"
        if [ $code = 0 ]; then
            check "ulimit -u $n: the images" cmp few_home/out/000001.png whole/000001.png
        else
            same "ulimit -u $n: one sentence that names the limit, and no image half-written" \
                "$(grep -c '^ffcl: .*ulimit -u' stderr) $(find few_home -name '.*.tmp')" "1 "
        fi
    done
else
    skip "ulimit -u" "needs root, to become a user that it holds"
fi

finish
