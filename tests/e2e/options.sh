#!/bin/bash
# SPDX-License-Identifier: MIT
# Every option of every command, as help lists them, with a valid value: with -q, alone and with
# --json.
. "$(dirname "$0")/lib.sh"
need_device

# What a command needs beside options.
declare -A base=(
    [sample]="$demo sampler.count=2" [init]="x.ini --overwrite" [inspect]="$demo_sit"
    [convert]="$demo_sit o.safetensors --overwrite" [classes]="retriever" [devices]=""
    [eval]="set.npz --inception net.safetensors"
    [bench]="softmax --quick --repeats 1 --rounds 1 --seconds 0.01"
    [report]="--op softmax -o -" [verify]="$data/sit_h144_p2.ref.safetensors
        model.checkpoint=$data/sit_h144_p2.pt" [selfcheck]="$demo" [keys]="" [presets]="" [help]=""
    [version]=""
    [tune]="$demo model.checkpoint=$data/sit_h64_p2_sigma.pt model.heads=4
        vae.weights=$data/vae_small.safetensors sampler.classes=0 sampler.batch=1
        blas.backend=clblast device.select=cpu --minutes 0.2")

# The same for the options of all commands, where that takes seconds.
declare -A light=([eval]="--compare a.json b.json" [bench]="softmax --list" [tune]="--help"
    [report]="--help")

# COMMAND OPTION: its values, for each.
values() {
    case "$1 $2" in
    *" color") echo auto always never ;;
    "sample output") echo grid.png ;;
    "sample preview") echo auto off kitty sixel blocks ;;
    "sample profile") echo trace.json ;;
    "init checkpoint") echo "$demo_sit" ;;
    "init vae") echo "$demo_vae" ;;
    "convert dtype") echo half bfloat16 float32 ;;
    "convert wrapper") echo ema auto ;;
    "eval reference") echo other.npz ;;
    "eval inception") echo net.safetensors ;;
    "eval like") echo pytorch-fid ;;
    "eval save-stats") echo stats.npz ;;
    "classes names") echo names.txt ;;
    "bench device" | "report device") echo auto 0 ;;
    "bench backend") echo auto clblast builtin ;;
    "bench sizes") echo 64,128 ;;
    "bench batches") echo 1,2 ;;
    "bench variant") echo row softmax/row ;;
    "bench seconds") echo 0.01 ;;
    "bench repeats" | "bench rounds" | "bench seed") echo 2 ;;
    "bench json" | "bench jsonl" | "bench csv" | "bench html") echo "b.$2" ;;
    "bench markdown") echo b.md ;;
    "bench plot") echo b.svg ;;
    "bench compare") echo old.json ;;
    "report output") echo - ;;
    "report op") echo 'layernorm*' ;;
    "verify tolerance") echo 1e-3 ;;
    "tune minutes") echo 0.2 ;;
    esac
}

# Those with which a command does something else, and their own words.
own_words() {
    case "$1 $2" in
    "eval compare") echo a.json b.json ;;
    "eval plot") echo --compare a.json b.json ;;
    "eval make-network") echo ;;
    "eval curve" | "eval sheet")
        echo set.npz --inception net.safetensors --reference other.npz ;;
    *) return 1 ;;
    esac
}

python3 "$root/tests/npz.py" images set.npz 16 32 32 3
python3 "$root/tests/npz.py" images other.npz 16 32 32 4
printf '%s\n' one two "golden retriever" > names.txt
"$ffcl" eval --make-network net.safetensors
for name in a b; do
    "$ffcl" -q eval set.npz --inception net.safetensors --json > $name.json
done
"$ffcl" -q bench softmax --quick --repeats 1 --json old.json > words 2>&1

is_json() {
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$1" 2> /dev/null
}

# tries WORD...: a run that must go well and be quiet on stderr; with --json, stdout is that.
faults=()
tries() {
    run -q "$@"
    [ "$code" = 0 ] || faults+=("$last: exit code $code: $(head -n 1 "$work/stderr")")
    # Of sixteen images it is right to warn; a profile beside JSON is not on stdout.
    case " $* " in
    *" --profile="*" --json "*) ;;
    *) grep -v '^ffcl: warning: [a-z]*.npz has 16 images' "$work/stderr" > noise &&
        faults+=("$last: on stderr: $(head -n 1 noise)") ;;
    esac
    case " $* " in
    *" --json "*) [ "$1" = bench ] || is_json "$work/stdout" || faults+=("$last: no JSON") ;;
    esac
}

commands=$("$ffcl" --help | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
for command in $commands; do
    faults=() n=0
    [ -n "${base[$command]+is}" ] || faults+=("this script has no words for it")
    read -rd '' -a words <<< "${base[$command]-}"
    options=$("$ffcl" help "$command" | sed -n 's/^  \(-[a-zA-Z], \|    \)--\([a-z-]*\).*/\2/p')
    has_json=$(grep -cx json <<< "$options")
    [ "$command" != bench ] || has_json=0               # which names a file
    for option in $options; do
        case $option in help | version | quiet) given=("--$option") ;; *) given=() ;; esac
        if [ ${#given[@]} = 0 ]; then
            takes=$("$ffcl" help "$command" | grep -cE -- "^ +(-[a-zA-Z], )?--$option(\[=| )[A-Z]")
            set -f
            for value in $(values "$command" "$option"); do
                given+=("--$option=$value")
            done
            set +f
            [ "$takes" = 0 ] && given=("--$option")
            case $command.$option in
            eval.curve) given=(--curve=2) ;;
            eval.sheet) given=(--sheet=sheet.png) ;;
            eval.plot) given=(--plot=p.svg) ;;
            eval.make-network) given=(--make-network=n.safetensors) ;;
            esac
            [ ${#given[@]} -gt 0 ] || faults+=("this script has no value for --$option")
        fi
        if [ "$option" = sandbox ] && ! "$ffcl" inspect --sandbox "$demo_sit" > words 2>&1; then
            continue                                    # no Landlock here
        fi
        for one in "${given[@]}"; do
            own=("${words[@]}") twice=$has_json
            case $option in
            quiet | verbose | color | help | version)
                [ -z "${light[$command]-}" ] || {
                    read -ra own <<< "${light[$command]}"
                    twice=0
                } ;;
            esac
            case $command.$option in
            eval.reference | eval.inception) own=(set.npz --inception net.safetensors) ;;
            esac
            if line=$(own_words "$command" "$option"); then
                read -ra own <<< "$line"
            fi
            n=$((n + 1))
            case $option in
            verbose)            # says more, on stderr
                run "$command" "${own[@]}" "$one"
                [ "$code" = 0 ] || faults+=("$last: exit code $code") ;;
            *)
                tries "$command" "${own[@]}" "$one" ;;
            esac
            case $command.$option in
            eval.* | *.json | *.verbose | *.help | *.version) ;;
            *) [ "$twice" = 0 ] || tries "$command" "${own[@]}" "$one" --json ;;
            esac
        done
    done
    [ $n -ge 5 ] || faults+=("help lists no options")
    same "$command: its $n options do as they say" "$(printf '%s\n' "${faults[@]}")" ""
done

finish
