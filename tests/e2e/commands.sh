#!/bin/bash
# SPDX-License-Identifier: MIT
# The table of commands: help of each at 80 columns, words that are no command, options.  No device
# is needed.
. "$(dirname "$0")/lib.sh"

# ---- help ----

wide() { # FILE: lines that do not fit 80 columns
    awk 'length > 79' "$1"
}
works "--help" --help
same "--help: nothing on stderr" "$(cat "$work/stderr")" ""
same "--help fits 80 columns" "$(wide "$work/stdout")" ""
cp "$work/stdout" overview
works "help" help
check "help and --help are one" cmp "$work/stdout" overview
commands=$(sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' overview)
same "the overview names the commands" "$(lacks overview sample devices bench verify tune keys)" ""
for command in $commands; do
    works "help $command" help "$command"
    same "help $command: usage and options" \
        "$(lacks "$work/stdout" "usage: ffcl" --quiet --help)" ""
    same "help $command fits 80 columns" "$(wide "$work/stdout")" ""
    cp "$work/stdout" one
    works "$command --help" "$command" --help
    check "$command --help is the same" cmp "$work/stdout" one
    works "-h before $command" -h "$command"
    check "-h before $command is the same" cmp "$work/stdout" one
done
works "version" version
cp "$work/stdout" one
works "--version" --version
check "version and --version are one" cmp "$work/stdout" one

# ---- words ----

refuses "a word that is nearly a command" 2 "devces is neither a command nor a file" \
    "did you mean ffcl devices?" -- devces
refuses "a word that is none" 2 "xyzzy is neither a command nor a file; see" -- xyzzy
refuses "a name of a file that is missing" 4 "cannot open gone.ini" -- gone.ini
refuses "a path that is missing" 4 "cannot open runs/gone" -- runs/gone
refuses "help for what is no command" 2 "there is no command tun" "did you mean tune?" -- help tun
refuses "help for two" 2 "one command at a time" -- help tune bench
refuses "devices takes no argument" 2 "takes no argument: x" -- devices x

# ---- options ----

refuses "an option that is nearly one" 2 "--qiet" "did you mean --quiet?" -- --qiet "$demo"
refuses "an option of another command" 2 "unknown option --minutes" "ffcl verify --help" -- \
    verify --minutes 1
refuses "an option without its value" 2 "needs a value: --minutes" "ffcl tune --help" -- \
    tune --minutes
refuses "a value where none is taken" 2 "takes no value: --quiet=1" -- --quiet=1 "$demo"
refuses "an unknown letter" 2 "unknown option -x" -- -xq "$demo"
works "options before a command" -q keys

finish
