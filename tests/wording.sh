#!/bin/bash
# SPDX-License-Identifier: MIT
# Messages (the string literals of the program, of which --help is made), documents and INI files
# have the words of docs/contributing.md and of the field, and not those that they replace.
# usage: tests/wording.sh [FOLDER]
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2
export LC_ALL=C.UTF-8

# Not this (an extended regular expression of whole words), but that.
words='
draws?|drawn|drawing => generate
pictures? => image
go on|goes on|went on => resume, continue
told => reported, said
op lists? => operation
twins? => plain kernel, fallback, variant
row products?|products? => GEMM
slim => skinny
matrix engines? => matrix unit
soften|softens => softmax
waves => sinusoidal embedding
verdicts?|probes? => self-check, its result
any_batch => batch_invariant
shared memory => local memory
number of heads => head count
sets? tried => configurations tried
ceiling of memory => peak memory bandwidth (copy)
share of (the )?ceiling => % of roofline
image sets?|sets? of images => sample set
'

# FILE: a part of the line where such a word stays: names in files of earlier versions, code, and
# what means something else.
places='
docs/architecture.md: blas.products
docs/errors.md: blas.products
docs/formats.md: blas.products
docs/formats.md: (draw mod 2^24)
docs/formats.md: drawn afresh
docs/formats.md: low + draw mod range
docs/reliability.md: products of each device
docs/reliability.md: stale-pictures
docs/tuning.md: blas.products
host/config_table.c: "blas.products of"
host/config_table.h: blas.products of
host/eval/neighbours.c: products of features
host/run/manifest.c: former_size[] = "picture"
host/selfcheck/half.c: half product
host/selfcheck/half.c: out[i] = product
'

found=0
used=$(mktemp) lines=$(mktemp) || exit 2
trap 'rm -f "$used" "$lines"' EXIT

# "FILE:LINE:TEXT" of all that is looked at: of C the literals, of other files whole lines.
list_c() { find host blas bench \( -name '*.c' -o -name '*.h' \) 2> /dev/null | sort; }
# performance.md is a record, contributing.md has the table.
list_texts() {
    find docs config README.md bench \( -name '*.md' -o -name '*.ini' -o -name '*.html' \) \
        ! -name performance.md ! -name contributing.md 2> /dev/null | sort
}
{
    list_c | xargs -d '\n' -r grep -noHE '"([^"\\]|\\.)*"'
    list_texts | xargs -d '\n' -r grep -nHE .
} > "$lines"
if [ "$(wc -l < "$lines")" -lt 3 ]; then
    echo "wording: nothing was found to look at"
    exit 1
fi

is_allowed() { # FILE LINE TEXT: notes the place
    local place whole
    whole=$(sed -n "$2p" "$1")
    while IFS= read -r place; do
        [ -n "$place" ] && [ "${place%%: *}" = "$1" ] || continue
        if [[ $whole == *"${place#*: }"* ]]; then
            echo "$place" >> "$used"
            return 0
        fi
    done <<< "$places"
    return 1
}

while IFS= read -r rule; do
    [ -n "$rule" ] || continue
    while IFS=: read -r file line text; do
        is_allowed "$file" "$line" && continue
        echo "$file:$line: \"$(grep -oiwE -m 1 "${rule% => *}" <<< "$text" | head -n 1)\":" \
            "the word here is ${rule#* => } (docs/contributing.md)"
        found=$((found + 1))
    done < <(grep -iwE -- "^[^:]*:[0-9]*:(.*[^[:alnum:]_])?(${rule% => *})" "$lines")
done <<< "$words"

# A place that is allowed for nothing is a mistake, too.
if [ -z "${1:-}" ]; then
    while IFS= read -r place; do
        [ -z "$place" ] || grep -qxF -- "$place" "$used" ||
            { echo "tests/wording.sh: nothing at \"$place\""; found=$((found + 1)); }
    done <<< "$places"
fi
[ "$found" = 0 ]
