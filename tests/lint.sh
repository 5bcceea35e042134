#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks the style that a machine can check: sizes of files, functions and lines, tabs, trailing
# blanks, final newlines, licence lines, left-over notes; that every header compiles alone, and that
# files include files of lower layers only (tests/includes.sh); the words of messages and documents
# (tests/wording.sh).
# usage: tests/lint.sh
set -u
cd "$(dirname "$0")/.." || exit 2
export LC_ALL=C.UTF-8

C_LINES=800 CL_LINES=300 FUNCTION_LINES=80 COLUMNS_MOST=100
notes='TO''DO|FIX''ME|XX''X'

found=0 passed=0 failed=0
complain() { # FILE[:LINE] SENTENCE
    echo "$1: $2"
    found=$((found + 1))
}

# Every match of a pattern in $file is a complaint.
reject() { # PATTERN SENTENCE
    local line
    while IFS=: read -r line _; do
        complain "$file:$line" "$2"
    done < <(grep -nE -- "$1" "$file")
}

# A body runs from a { to a } in the first column; tables, which end in };, are exempt.
check_functions() {
    local line
    while IFS= read -r line; do
        complain "$file:${line%% *}" "a function of ${line##* } lines, more than $FUNCTION_LINES"
    done < <(awk -v most=$FUNCTION_LINES '
        /^[A-Za-z_]/ { head = NR }
        /^{/ { begin = head }
        /^}/ {
            if (begin && !/^};/ && NR - begin + 1 > most)
                print begin, NR - begin + 1
            begin = 0
        }
    ' "$file")
}

check_size() { # LINES
    local n
    n=$(wc -l < "$file")
    if [ "$n" -gt "$1" ]; then
        complain "$file" "$n lines, more than $1"
    fi
}

# Headers for Windows are for its compiler, where one is installed.
check_windows_header() {
    local log mingw=x86_64-w64-mingw32-gcc-posix
    if command -v $mingw > /dev/null &&
        ! log=$($mingw -std=c11 -Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE -Ihost \
            -include host/os/windows/posix.h -Ihost/os/windows/include -D_FILE_OFFSET_BITS=64 \
            -fsyntax-only -x c "$file" 2>&1); then
        complain "$file" "does not compile alone:"$'\n'"$log"
    fi
    grep -q '^#ifndef FFCL_' "$file" || complain "$file" "has no include guard FFCL_..._H"
}

check_header() {
    local log
    # shellcheck disable=SC2086 # CC may be two words, as "ccache gcc"
    if ! log=$(${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE -Ihost -Iblas \
        -Itests/kernels -Itests/ref $flags -fsyntax-only -x c "$file" 2>&1); then
        complain "$file" "does not compile alone:"$'\n'"$log"
    fi
    grep -q '^#ifndef FFCL_' "$file" || complain "$file" "has no include guard FFCL_..._H"
}

# Intel's compiler for CPUs took get_local_id(0) >> 4 for get_local_id(0) in some programs of
# attention.cl, and never of an int.  Kernels for NVIDIA's instructions are not built by it.
check_ids() {
    case $file in
    */gemm_mma.cl | */mma_* | */wgmma_* | */halo_*) ;;
    *) reject 'get_(local|global)_id\([0-2]\) *(>>|[/%&][^&])' \
        "an id that is shifted or divided before it is an int" ;;
    esac
}

check_file() {
    local n_before=$found
    if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then
        complain "$file" "no newline at the end"
    fi
    reject '[[:blank:]]$' "blanks at the end of the line"
    reject $'\r' "a carriage return"
    reject "\\b($notes)\\b" "a left-over note"
    case $file in
    Makefile | */rules) ;;
    *) reject $'\t' "a tab" ;;
    esac
    case $file in
    *.md) ;;
    *) reject "^.{$((COLUMNS_MOST + 1))}" "more than $COLUMNS_MOST columns" ;;
    esac
    case $file in
    *.md) ;;
    *)
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
            complain "$file" "no SPDX line at the top"
        ;;
    esac
    case $file in
    *.c) check_size $C_LINES && check_functions ;;
    ./host/os/windows/*.h | host/os/windows/*.h) check_size $C_LINES && check_windows_header ;;
    *.h) check_size $C_LINES && check_header ;;
    */common.cl) check_size $CL_LINES && check_functions && check_ids ;;
    *.cl | *.clh)
        check_size $CL_LINES && check_functions && check_ids
        reject 'vstorea?_half' "vstore_half, which may not round: STORE_HALF of common.cl"
        ;;
    esac
    if [ "$found" = "$n_before" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

flags=$(pkg-config --cflags OpenCL clblast libpng inih libzip libcjson zlib 2> /dev/null)
while IFS= read -r file; do
    file=${file#./}
    case $file in
    bench/torch_baseline.py | bench/torch_best.py) ;;   # come from elsewhere, as they are
    *) check_file ;;
    esac
done < <(find . \( -name '.?*' ! -name .ci -o -name 'build*' -o -path ./tests/data \) -prune -o \
    -type f \( -name '*.c' -o -name '*.h' -o -name '*.cl' -o -name '*.clh' -o -name '*.sh' \
    -o -name '*.py' -o \
    -name '*.ini' -o -name '*.md' -o -name Makefile -o -name rules -o -name '*.bash' -o \
    -name '*.zsh' -o -name '*.cff' -o -name '*.in' -o -name '*.html' -o -path './.ci/*' \) \
    -print | sort)
for script in tests/includes.sh tests/wording.sh; do
    if bash $script; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
