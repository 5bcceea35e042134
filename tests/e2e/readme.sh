#!/bin/bash
# SPDX-License-Identifier: MIT
# The commands of the README and of the pages for newcomers, word for word, in a clone.
. "$(dirname "$0")/lib.sh"
need_device
lines=$(wc -l < "$root/README.md")
check "the README has at most 150 lines ($lines)" test "$lines" -le 150

if ! git -C "$root" rev-parse HEAD > /dev/null 2>&1; then
    skip "the commands of the pages" "no git here"
    finish
fi
git clone -q "$root" clone 2> /dev/null
# The pages as they are now, and the program that is built.
cp "$root/README.md" clone/
cp "$root"/docs/*.md clone/docs/
cp "$root/.gitignore" clone/
ln -s "$build" clone/build
export HOME=$work/home
mkdir "$HOME"

# The commands of the sh blocks of a page, a line each; a backslash joins lines.
commands_of() { # PAGE
    sed -n '/^ *```sh$/,/^ *```$/p' "$1" | sed '/```/d; s/^ *//' |
        sed -e ':a' -e '/\\$/{N;s/\\\n */ /;ba' -e '}'
}

# What a test cannot do here: install, take minutes, or lack files of others.
is_for_people() {
    case $1 in
    make | ffcl\ *) return 0 ;;
    make\ demo* | make\ check* | make\ -j* | mpirun* | sbatch* | '' | \#*) return 0 ;;
    *FreeFlow-XL* | *ffcl-xl* | *'bench --quick'* | *'bench model'*) return 0 ;;
    *'eval fid50k.npz'* | 'build/ffcl report '*) return 0 ;;
    'build/tests/check  '* | 'build/tests/check --device'* | 'make build/tests'*) return 0 ;;
    esac
    return 1
}

# The two files that pages show as text: digits.c, and year.ini as the README has it.
sed -n '/^```ini$/,/^```$/p' clone/README.md | sed '/```/d' > clone/year.ini
sed -n '/^```c$/,/^```$/p' clone/docs/library.md | sed '/```/d' > clone/digits.c

for page in README.md docs/checkpoints.md docs/gpus.md docs/tune-kernels.md docs/fid50k.md \
    docs/library.md docs/models.md docs/evaluation.md; do
    n=0
    # One shell a page, as a reader has it.
    commands_of "clone/$page" > commands
    while IFS= read -r command; do
        is_for_people "$command" || { printf '%s\n' "$command"; n=$((n + 1)); }
    done < commands > script
    if [ "$n" = 0 ]; then
        not_ok "$page has commands"
        continue
    fi
    if (cd clone && timeout 800 bash -euc '. ../script') > log 2>&1 < /dev/null; then
        ok "$page: its $n commands"
    else
        not_ok "$page: its $n commands" "$(cat script)" "$(tail -n 12 log)"
    fi
done
check "year.ini of the README works" \
    sh -c "cd clone && build/ffcl year.ini && test -s year.png && test -s digits/000003.png"
for image in demo.png seven.png; do
    check "$image is there" test -s "clone/$image"
done
same "what they write is ignored by git" "$(git -C clone status --porcelain | sed -n 's/^?? //p' |
    grep -vx build)" ""

finish
