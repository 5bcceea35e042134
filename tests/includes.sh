#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks which file includes which: nothing may include a file of a higher layer, and no folders
# may include each other in a circle.  The layers are in the table below and nowhere else.
# usage: tests/includes.sh [ROOT]        ROOT: the tree to check; this one
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2
export LC_ALL=C

# Layer, name, files.  A file may include files of its own layer and of lower ones.  A pattern that
# ends in / stands for a folder; the first line that fits a file counts.
layers='
 1 basics        host/ffcl.h host/dtype.h host/error.* host/table.* host/text.* host/util.* host/os/
 2 files         host/files/
 3 cl            host/cl/
 4 config        host/config* host/class_names.*
 5 blas          blas/
 6 ops           host/ops/
 7 selfcheck     host/selfcheck/
 8 model         host/model/
 9 sample        host/sample/
10 eval          host/eval/
10 run           host/run/
10 tune          host/tune/
10 verify        host/verify/
11 program       host/program/
11 references    tests/ref/
12 kernel-tests  tests/kernels/
13 bench         bench/
14 main          host/main.c
14 tests         tests/unit/ tests/fuzz/ tests/*.c tests/shim.h tests/analyze.h
'
# As the compiler looks for a file, after the folder of the one that includes it.
folders='host blas'
# Written by the Makefile, not in the tree.
generated='build_info.h'

# "FILE LAYER NAME" for every file.
place_files() {
    local file layer name patterns pattern
    set -f                      # patterns are for case, not for the shell to expand
    while IFS= read -r file; do
        file=${file#./}
        while read -r layer name patterns; do
            for pattern in $patterns; do
                case $pattern in
                */) pattern="$pattern*" ;;
                esac
                # shellcheck disable=SC2254 # a pattern is meant
                case $file in
                $pattern) echo "$file $layer $name" && continue 3 ;;
                esac
            done
        done <<< "$layers"
        echo "$file 0 -"
    done
}

sources=$(find ./host ./blas ./bench ./tests -name '*.[ch]' 2> /dev/null | sort)
[ -n "$sources" ] || { echo "includes.sh: no sources in $PWD" >&2; exit 2; }
# shellcheck disable=SC2086 # a list of files without blanks
{ place_files <<< "$sources" && echo "--" && grep -nH '^ *# *include "' $sources; } |
awk -v folders="$folders" -v generated="$generated" '
    function complain(where, sentence) {
        print where ": " sentence
        bad++
    }
    # The file that `name` in file `from` means, or "".
    function resolve(from, name,    beside, n, list, i) {
        beside = from
        sub(/[^\/]*$/, "", beside)
        beside = beside name
        while (sub(/[^\/]+\/\.\.\//, "", beside))
            ;
        if (beside in layer)
            return beside
        n = split(folders, list, " ")
        for (i = 1; i <= n; i++)
            if ((list[i] "/" name) in layer)
                return list[i] "/" name
        return ""
    }
    $0 == "--" { edges_follow = 1; next }
    !edges_follow {
        layer[$1] = $2
        room[$1] = $3
        if (!$2)
            complain($1, "is in no layer of tests/includes.sh")
        else if (!($3 in known)) {
            known[$3] = 1
            rooms[++n_rooms] = $3
        }
        next
    }
    {
        sub(/^\.\//, "")
        split($0, part, ":")
        from = part[1]
        where = from ":" part[2]
        split($0, quoted, "\"")
        if (quoted[2] == generated)
            next
        to = resolve(from, quoted[2])
        if (to == "") {
            complain(where, "includes " quoted[2] ", which is not there")
            next
        }
        edges++
        if (!layer[from] || !layer[to])
            next
        reach[room[from], room[to]] = 1
        if (layer[to] > layer[from]) {
            upward++
            complain(where, room[from] " includes " to ", which lies above it, in " room[to])
        }
    }
    END {
        for (k = 1; k <= n_rooms; k++)
            for (i = 1; i <= n_rooms; i++)
                for (j = 1; j <= n_rooms; j++)
                    if (((rooms[i], rooms[k]) in reach) && ((rooms[k], rooms[j]) in reach))
                        reach[rooms[i], rooms[j]] = 1
        # Folders that reach each other are one circle, whatever the number of ways.
        for (i = 1; i <= n_rooms; i++) {
            circle = rooms[i]
            for (j = i + 1; j <= n_rooms; j++)
                if (!seen[j] && ((rooms[i], rooms[j]) in reach) &&
                    ((rooms[j], rooms[i]) in reach)) {
                    circle = circle ", " rooms[j]
                    seen[j] = 1
                }
            if (circle != rooms[i] && !seen[i]) {
                cycles++
                complain("includes.sh", "folders include each other: " circle)
            }
        }
        printf "includes: %d, of which upward: %d; cycles between folders: %d\n", edges, upward,
            cycles
        exit bad > 0
    }'
