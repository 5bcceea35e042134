#!/bin/bash
# SPDX-License-Identifier: MIT
# Numbers that show whether the code gets easier to change, for a tree or a revision; smaller is
# better.  Nothing fails on them.
# usage: tests/house.sh [-v] [REV]       REV: a commit, instead of the working tree
#                                        -v: also names the functions and the upward includes
#
# At commit 7cc8468, where the counting began, it prints 41 functions with 8 parameters or more, 87
# optional operands, 42 store parameters and 192 "rc == 0".  Two figures were first taken in other
# ways: has_* is 159 when every such word counts, 87 when only the operands of operations do, which
# are the ones to go (has_failed or has_folder are good names); "ffcl_store store" stood 48 times
# when members of structs counted as well.
set -u
cd "$(dirname "$0")/.." || exit 2

verbose=0
if [ "${1:-}" = -v ]; then
    verbose=1
    shift
fi
case ${1:-} in
-*)
    echo "usage: tests/house.sh [-v] [REV]" >&2
    exit 2
    ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
tree=.
if [ -n "${1:-}" ]; then
    tree=$scratch/tree
    mkdir "$tree"
    git archive "$1" > "$scratch/tree.tar" && tar -xf "$scratch/tree.tar" -C "$tree" || exit 2
fi

cat > "$scratch/count.py" << 'SCRIPT'
import os
import re
import sys

root, verbose = sys.argv[1], sys.argv[2] == "1"
C = (".c", ".h", ".cl", ".clh")


def paths(*folders, ends=C):
    found = []
    for folder in folders:
        for base, _, names in os.walk(os.path.join(root, folder)):
            found += [os.path.join(base, n) for n in names if n.endswith(ends)]
    return sorted(found)


def text(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


# Comments become blanks and strings "", so that lines stay where they are.
def code(path):
    def bare(match):
        token = match.group(0)
        return '""' if token[0] in "\"'" else re.sub(r"[^\n]", " ", token)

    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", bare,
                  text(path), flags=re.S)


def parameters(inside):
    parts, depth = [""], 0
    for c in inside:
        depth += (c == "(") - (c == ")")
        if c == "," and not depth:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip() not in ("", "void")]


# A function begins in the first column: "type name(parameters)", then { in a line of its own, or ;
# for a prototype.
FUNCTION = re.compile(r"^[A-Za-z_][\w\s*]*?[\s*](\w+)\(([^;{}]*?)\)(?:\s*__attribute__[^;{}]*)?"
                      r"(;|\s*\n\{)", re.M)


def functions(path):
    source = code(path)
    for match in FUNCTION.finditer(source):
        end = source.find("\n}", match.end())
        lines = source.count("\n", match.start(), end) + 2
        yield match.group(1), parameters(match.group(2)), match.group(3) != ";", lines


def count(pattern, files):
    return sum(len(re.findall(pattern, text(p))) for p in files)


def body_lines(path, name):
    full = os.path.join(root, path)
    found = [f[3] for f in functions(full) if f[0] == name and f[2]] if os.path.exists(full) else []
    return found[0] if found else "-"


def lines(*folders):
    files = paths(*folders)
    bare = sum(1 for p in files for line in code(p).split("\n") if line.strip())
    return f"{sum(text(p).count(chr(10)) for p in files)}, {bare} without comments and blanks"


many, stores = [], 0
for path in paths("host", "blas", "bench", ends=(".c", ".h")):
    for name, given, is_whole, _ in functions(path):
        stores += sum(1 for p in given if re.search(r"\bstore$", p))
        if is_whole and len(given) >= 8:
            many.append(f"    {os.path.relpath(path, root)}: {name}, {len(given)}")


def show(value, what):
    print(f"{value:>6}  {what}")


show(len(many), "functions outside tests with 8 parameters or more")
if verbose and many:
    print("\n".join(many))
show(count(r"\bhas_(?:add|bias|gate|pos)\b", paths("host", "blas")),
     "has_add, has_bias, has_gate, has_pos in host, blas")
show(count(r"\bhas_[a-z]+\b", paths("host", "blas", "bench", "cl")),
     "has_* of any kind in host, blas, bench, cl")
show(stores, "parameters named store in host, blas, bench, prototypes included")
show(count(r"\brc == 0\b", paths("host/model", "host/ops", "blas")),
     "rc == 0 in host/model, host/ops, blas")
show(body_lines("host/model/sit.c", "block"), "lines of block in host/model/sit.c")
show(body_lines("host/model/vae.c", "resnet"), "lines of resnet in host/model/vae.c")
print("lines of C and CL:")
print(f"        host, blas, cl: {lines('host', 'blas', 'cl')}")
print(f"        tests: {lines('tests')}")
SCRIPT
python3 "$scratch/count.py" "$tree" $verbose || exit 2

bash tests/includes.sh "$tree" > "$scratch/includes"
if [ $verbose = 1 ]; then
    grep -E 'lies above it|include each other' "$scratch/includes"
fi
tail -n 1 "$scratch/includes"
