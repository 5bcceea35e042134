#!/bin/bash
# SPDX-License-Identifier: MIT
# Man pages and completion: made from the tables, right for those who read them, and complete.
. "$(dirname "$0")/lib.sh"
pages=$build/pages

# ---- man pages ----

for page in ffcl.1 ffcl.ini.5; do
    if command -v mandoc > /dev/null; then
        same "mandoc has nothing against $page" "$(mandoc -T lint "$pages/$page" 2>&1)" ""
    else
        skip "mandoc has nothing against $page" "no mandoc"
    fi
    if command -v groff > /dev/null; then
        same "groff has nothing against $page" \
            "$(groff -man -ww -z -Tutf8 "$pages/$page" 2>&1)" ""
    else
        skip "groff has nothing against $page" "no groff"
    fi
done
if command -v groff > /dev/null; then
    for page in ffcl.1 ffcl.ini.5; do
        groff -man -Tascii -P-bcou -rLL=78n "$pages/$page" > shown.txt
        same "$page fits 80 columns" "$(awk 'length > 79' shown.txt)" ""
        check "$page: and has its text" grep -q "FFCL.*(" shown.txt
    done
fi
same "the page names the version" \
    "$(sed -n 's/^\.TH FFCL 1 "[0-9-]*" "\(ffcl [^"]*\)" .*/\1/p' "$pages/ffcl.1")" \
    "$("$ffcl" --version | sed '1!d; s/ (.*//')"
sections=$(sed -n 's/^\.SS //p' "$pages/ffcl.1" | tr '\n' ' ')
commands=$("$ffcl" --help | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | tr '\n' ' ')
same "every command has its part" "$sections" "$commands"
for command in $commands; do
    "$ffcl" "$command" --help | sed -n 's/^ *\(-., \)\{0,1\}--\([a-z-]*\).*/\2/p'
done | sort -u > options
missing=''
while IFS= read -r option; do
    grep -qF "\\-\\-${option//-/\\-}" "$pages/ffcl.1" || missing+=" $option"
done < options
same "every option of every command is explained" "$missing" ""
"$ffcl" keys | awk '/^\[/ { section = substr($1, 2, length($1) - 2) }
    /^  [a-z_]+ =/ { print section "." $1 }' > keys
check "there are keys" test -s keys
section='' missing=''
while IFS=. read -r section key; do
    awk -v section="$section" -v key="\\\\fB$key\\\\fR =" '
        /^\.SH SECTION/ { here = $3 == "[" section "]" }
        here && index($0, key) == 1 { found = 1 }
        END { exit !found }' "$pages/ffcl.ini.5" || missing+=" $section.$key"
done < keys
same "every key of the INI file is explained" "$missing" ""

# ---- completion ----

mkdir bin zsh home
# Words below are the begin of no other name here.
ln -s "$ffcl" bin/ffcl
ln -s "$root/config" config
cp "$pages/zsh" zsh/_ffcl
export PATH=$work/bin:$PATH

complete_bash() {
    bash "$root/tests/complete.bash" "$pages/bash" "$1"
}
complete_zsh() {
    timeout 60 zsh -f "$root/tests/complete.zsh" "$work/zsh" "$1"
}
complete_fish() {
    HOME=$work/home timeout 60 fish --no-config \
        -c 'source $argv[1]; complete -C $argv[2]' "$pages/fish" "$1"
}

# What stands before a word, of its path, its key and its list, some shells give and some do not;
# what fish has to say of it stands behind a tab.
words_of() { # SHELL LINE
    "complete_$1" "$2" | cut -f 1 | sed 's/[=/]$//; s/.*[=/,]//' | sort -u | tr '\n' ' '
}

# offers NAME LINE WORD...: ok if every shell that is here offers exactly these words.
offers() {
    local name=$1 line=$2 shell want
    shift 2
    want=$([ $# = 0 ] || printf '%s\n' "$@" | sort -u | tr '\n' ' ')
    for shell in $shells; do
        same "$shell: $name" "$(words_of "$shell" "$line")" "$want"
    done
}

shells=bash
for shell in zsh fish; do
    if ! command -v $shell > /dev/null; then
        skip "completion of $shell" "no $shell"
    else
        shells+=" $shell"
    fi
done
check "bash reads it" bash -n "$pages/bash"
offers "commands" "ffcl in" init inspect
offers "files" "ffcl config/dem" demo demo.ini demo-teacher.ini
offers "the INI file of a command" "ffcl sample config/demo.i" demo.ini
# shellcheck disable=SC2046 # one word each
offers "keys" "ffcl config/demo.ini sampler.s" \
    $(sed -n 's/^sampler\.s/&/p' keys)
offers "values" "ffcl config/demo.ini sampler.solver=" ddim euler heun renoise sde sde-heun
offers "the begin of a value" "ffcl config/demo.ini blas.tuning=of" off
offers "files of a key" "ffcl config/demo.ini model.checkpoint=config/demo/f" freeflow-digits.pt
offers "options" "ffcl tune --m" --minutes
# Help, page and completion name the same options of a command, and the page in the same words.
cat > options.py << 'PYTHON'
"""options.py PAGE COMMAND HELP: what the page and the help of a command do not have in common."""
import re, sys
page, command, text = open(sys.argv[1]).read(), sys.argv[2], open(sys.argv[3]).read()


def plain(s):
    s = re.sub(r"\\f.|`", "", s).replace("\\(aq", "'").replace("\\&", "").replace("\\-", "-")
    return " ".join(s.replace("\\e", "\\").split())


def of_page(part):
    items = re.findall(r"^\.TP\n(.*)\n((?:[^.].*\n)*)", part, re.M)
    return {plain(a): plain(b) for a, b in items}


option = r" +((?:-., )?--[a-z-]+(?:\[?=?[^ ]*\]?)?(?: [^ a-z][^ ]*)?)"


def of_help():
    found, name = {}, None
    for line in text.split("\n"):
        head = re.match(option + r"(?: {2,}(.*))?$", line)
        if head:
            name = head.group(1)
            found[name] = head.group(2) or ""
        elif name and re.match(r" {8,}\S", line):
            found[name] += " " + line
        else:
            name = None
    return {k: " ".join(v.split()) for k, v in found.items()}


def part(head):
    return re.search(r"^\.%s\n(.*?)(?=^\.S[SH] )" % head, page, re.M | re.S).group(1)


own, common = part("SS " + command), part("SH OPTIONS OF ALL COMMANDS")
there, here = {**of_page(own), **of_page(common)}, of_help()
there = {k: v for k, v in there.items() if k.startswith("-")}
assert here, text
for name in sorted({*there, *here}):
    if there.get(name) != here.get(name):
        print(command, name, "| page:", there.get(name), "| help:", here.get(name))
PYTHON
for command in $commands; do
    "$ffcl" "$command" --help > help.txt
    same "$command: the page has the options of its help, in its words" \
        "$(python3 options.py "$pages/ffcl.1" "$command" help.txt 2>&1)" ""
    # shellcheck disable=SC2046
    [ "$command" = help ] || offers "options of $command" "ffcl $command --" \
        $(sed -n 's/^ *\(-., \)\{0,1\}\(--[a-z-]*\).*/\2/p' help.txt)
done
offers "files of an option" "ffcl bench --compare config/demo/f" freeflow-digits.pt
offers "commands to explain" "ffcl help ini" init
offers "keys to explain" "ffcl keys output.png" output.png_level
offers "nothing behind version" "ffcl version config/de"
"$ffcl" devices -q -l > devices 2> /dev/null
# shellcheck disable=SC2046
offers "devices" "ffcl config/demo.ini device.select=" auto gpu cpu all \
    $(cut -d ' ' -f 1 devices)
# shellcheck disable=SC2046
offers "devices of an option" "ffcl bench --device " auto gpu cpu all $(cut -d ' ' -f 1 devices)
if "$ffcl" help classes > /dev/null 2>&1; then
    offers "names of classes" "ffcl config/demo.ini sampler.classes=tench,hammerh" hammerhead
    offers "other labels" "ffcl config/demo.ini sampler.classes=rand" random
fi

finish
