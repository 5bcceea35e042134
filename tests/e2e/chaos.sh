#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs that are ended at random instants by every signal, alone, in job arrays and under mpirun,
# until they are done; then surroundings that lack something.  The sample set is right in the end,
# and nothing that is there on the way is torn.
#   ROUNDS=N: so many chains of each kind (1; make chaos: 10).  SEED=N repeats the instants.
. "$(dirname "$0")/lib.sh"
need_device

rounds=${ROUNDS:-1}
RANDOM=${SEED:=$(($(date +%s) % 32768))}
echo "# SEED=$SEED"
args=(-q "$demo" sampler.count=100 sampler.batch=2 output.grid=)
run "${args[@]}" output.folder=whole output.npz=whole.npz
same "an undisturbed run" "$code" 0

# torn FOLDER: images that are there and are not right.
torn() {
    local png
    for png in "$1"/*.png; do
        [ ! -e "$png" ] || cmp -s "$png" "whole/${png##*/}" || echo "torn: $png"
    done
}
nap() { # MOST: up to so many milliseconds
    sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}
# strike PID: one signal to it; STOP is followed by CONT.
strike() {
    local signals=(INT TERM HUP KILL PIPE STOP) signal
    signal=${signals[RANDOM % 6]}
    struck="$struck $signal"
    kill -$signal "$1" 2> /dev/null
    if [ $signal = STOP ]; then
        nap 300
        kill -CONT "$1" 2> /dev/null
    fi
}
# Is it the code of a run that ended, was stopped, or died of the signal before it could say so?
known() {
    # 141: PIPE before the program is so far that it ignores it.
    case $1 in
    0 | 15 | 129 | 130 | 137 | 141 | 143) return 0 ;;
    esac
    return 1
}
start() { # COMMAND...: in the background, as $pid; a shell's background has SIGINT ignored
    env --default-signal=INT,TERM,HUP,PIPE "$@" > stdout 2> stderr < /dev/null &
    pid=$!
}
# chain NAME COMMAND...: again and again, until it ends with 0.
chain() {
    local name=$1 i bad='' status=1
    shift
    struck=''
    rm -rf f a.npz .a.npz*
    for ((i = 0; i < 60 && status != 0; i++)); do
        start "$@"
        # Later ones are left alone: on a slow machine a start alone takes long.
        if [ $i -lt 12 ]; then
            nap 999
            strike $pid
        fi
        wait $pid 2> /dev/null
        status=$?
        known $status || bad="$bad exit code $status: $(tail -n 1 stderr);"
        bad="$bad$(torn f)"
    done
    same "$name:$struck" "$bad$(diff -r -x manifest.json f whole 2>&1)$(find f . -maxdepth 1 \
        \( -name '*.tmp' -o -name '*.lock' -o -name '*.part' \) )" ""
}
for ((round = 0; round < rounds; round++)); do
    chain "signals" "$ffcl" "${args[@]}" output.folder=f output.npz=a.npz
    check "the npz" cmp a.npz whole.npz
    if build_shim; then
        chain "signals while the clock jumps" env LD_PRELOAD="$shim" FFCL_SHIM_CLOCK=1 "$ffcl" \
            "${args[@]}" output.folder=f
        chain "signals without locks" env LD_PRELOAD="$shim" FFCL_SHIM_LOCKS=37 "$ffcl" \
            "${args[@]}" output.folder=f
    fi

    # ---- a job array: two shares of a folder, each struck on its own ----
    rm -rf f
    struck='' bad='' codes=(1 1)
    for ((i = 0; i < 30 && codes[0] + codes[1] != 0; i++)); do
        pids=()
        for rank in 0 1; do
            start "$ffcl" "${args[@]}" output.folder=f sampler.world=2 sampler.rank=$rank
            pids[rank]=$pid
        done
        for rank in 0 1; do
            [ $i -ge 6 ] || { nap 700 && strike "${pids[rank]}"; }
        done
        for rank in 0 1; do
            wait "${pids[rank]}" 2> /dev/null
            codes[rank]=$?
            known "${codes[rank]}" || bad="$bad exit code ${codes[rank]}: $(tail -n 1 stderr);"
        done
        bad="$bad$(torn f)"
    done
    same "a job array:$struck" "$bad$(diff -r -x manifest.json f whole 2>&1)" ""

    # ---- mpirun: a rank is killed, or mpirun is struck ----
    if [ -x "$build/ffcl-mpi" ] && command -v mpirun > /dev/null; then
        rm -rf f
        struck='' bad='' status=1
        mpi=(mpirun --allow-run-as-root --oversubscribe -n 2 "$build/ffcl-mpi")
        for ((i = 0; i < 20 && status != 0; i++)); do
            start "${mpi[@]}" "${args[@]}" output.folder=f
            if [ $i -lt 5 ]; then
                sleep 1
                nap 999
                victim=$(pgrep -P $pid | shuf -n 1 --random-source=<(yes $RANDOM))
                if [ $((RANDOM % 2)) = 0 ] && [ -n "$victim" ]; then
                    struck="$struck rank"
                    kill -KILL "$victim"
                else
                    struck="$struck mpirun"
                    kill -TERM $pid
                fi
            fi
            wait $pid 2> /dev/null
            status=$?
            bad="$bad$(torn f)"
        done
        same "mpirun:$struck" "$status$bad$(diff -r -x manifest.json f whole 2>&1)" 0
    else
        skip "mpirun" "no ffcl-mpi or no mpirun"
    fi

    # ---- two runs in one folder ----
    rm -rf f
    start "$ffcl" "${args[@]}" output.folder=f
    first=$pid
    start "$ffcl" "${args[@]}" output.folder=f
    second=$pid
    wait $first
    one=$?
    wait $second
    two=$?
    case "$one $two" in
    '0 0' | '0 16' | '16 0') ok "two runs in one folder: $one $two" ;;
    *) not_ok "two runs in one folder" "exit codes $one $two" ;;
    esac
    check "two runs in one folder: it is right" diff -r -x manifest.json f whole
done

# ---- a disk that is full ----

mkdir small
if mount -t tmpfs -o size=160k none small 2> /dev/null; then
    trap 'umount -l "$work"/small "$work"/cachefs 2> /dev/null; rm -rf "$work"' EXIT
    run "${args[@]}" output.folder=small/f
    same "a full disk: exit code and sentence" \
        "$code $(grep -c '^ffcl: cannot write .*disk full' "$work/stderr")" "12 1"
    same "a full disk: nothing is torn" "$(torn small/f)" ""
    mount -o remount,size=20m small
    run "${args[@]}" output.folder=small/f
    same "with room again, the same command" "$code" 0
    check "it is right" diff -r -x manifest.json small/f whole
    mkdir cachefs
    mount -t tmpfs -o size=4k none cachefs
    head -c 100000 /dev/zero > cachefs/fill 2> /dev/null
    FFCL_CACHE_DIR=$work/cachefs run "${args[@]}" output.folder=full-cache
    same "a cache on a full disk" "$code$(diff -r -x manifest.json full-cache whole)" 0
else
    skip "a full disk" "no tmpfs can be mounted"
fi

# ---- surroundings ----

surroundings() { # NAME VARIABLE=VALUE...: the images are as always
    local name=$1 variables=()
    shift
    while [ $# != 0 ] && [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    rm -rf f
    env "${variables[@]}" POCL_CACHE_DIR="$work/pocl" "$ffcl" "${args[@]}" output.folder=f \
        > "$work/stdout" 2> "$work/stderr" < /dev/null
    code=$? last="ffcl with ${variables[*]}"
    same "$name" "$code $(diff -r -x manifest.json f whole 2>&1)" "0 "
}
surroundings "no HOME" -u HOME
surroundings "no cache, no configuration: not to be made" HOME=/proc XDG_CACHE_HOME=/proc/c \
    XDG_CONFIG_HOME=/proc/c FFCL_CACHE_DIR=/proc/c/d
surroundings "a cache that is a file" FFCL_CACHE_DIR=/etc/passwd
surroundings "relative names in XDG_CACHE_HOME" XDG_CACHE_HOME=here XDG_CONFIG_HOME=here
surroundings "TMPDIR that is not there" TMPDIR=/nonexistent
surroundings "an empty environment" -i PATH="$PATH"
# Decimal commas, letters that are no UTF-8, another i: made here, as few systems have them.
mkdir locales
for locale in de_DE.UTF-8 fr_FR.ISO-8859-1 tr_TR.ISO-8859-9 ja_JP.EUC-JP; do
    if localedef -f "${locale#*.}" -i "${locale%.*}" "locales/$locale" > /dev/null 2>&1; then
        surroundings "locale $locale" LOCPATH="$work/locales" LC_ALL="$locale" LANG="$locale"
    else
        skip "locale $locale" "localedef cannot make it"
    fi
done
if [ -d locales/de_DE.UTF-8 ] && [ -x "$build/tests/unit/settings" ]; then
    same "the library's settings under a decimal comma" \
        "$(LOCPATH=$work/locales LC_ALL=de_DE.UTF-8 CMOCKA_MESSAGE_OUTPUT=TAP \
            "$build/tests/unit/settings" 2>&1 | grep -c '^ok .*test_numbers_have_a_point')" 1
else
    skip "the library's settings under a decimal comma" "no locale, or no unit tests"
fi
surroundings "a locale that is not there" LC_ALL=xx_YY.ISO-8859-1
# limited NAME LIMIT VALUE: the images, or a sentence and a documented exit code; PoCL aborts where
# it has no file left to open, which is said, too.
limited() {
    local status
    rm -rf f
    (ulimit "$2" "$3" && exec timeout -k 10 $((patience * 2 / 5)) "$ffcl" "${args[@]}" \
        output.folder=f) > stdout 2> stderr < /dev/null
    status=$?
    case $status in
    0) same "$1: the images" "$(diff -r -x manifest.json f whole 2>&1)" "" ;;
    *)
        same "$1: exit code $status and a sentence, nothing torn" \
            "$((status > 1 && status < 18 || status == 134)) $(head -n 1 stderr |
                grep -c '^ffcl: ')$(torn f)" "1 1"
        ;;
    esac
}
if [ -z "${FFCL_TEST_CFLAGS:-}" ]; then
    for n in 12 16 20 24 32 64; do
        limited "ulimit -n $n" -n $n
    done
    limited "ulimit -s 256" -s 256
    limited "ulimit -s unlimited" -s unlimited
fi
if unshare -m true 2> /dev/null; then
    rm -rf f
    unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$ffcl" "${args[@]}" \
        output.folder=f > "$work/stdout" 2> "$work/stderr" < /dev/null
    same "no /proc" "$? $(diff -r -x manifest.json f whole 2>&1)" "0 "
else
    skip "no /proc" "no name space can be made"
fi

finish
