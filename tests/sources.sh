# SPDX-License-Identifier: MIT
# What tests/analyze.sh and tests/tidy.sh share: the files that an analyzer is given, how they are
# compiled, and what becomes of its reports.
# shellcheck shell=bash disable=SC2034

# files: those of the command line, or all; packages: the libraries' options.
read -ra packages <<< "$(pkg-config --cflags OpenCL clblast libpng inih libzip libcjson zlib)"
if pkg-config --exists libjpeg; then
    packages+=(-DFFCL_JPEG)
fi
files=("$@")
[ $# != 0 ] ||
    files=(host/*.c host/*/*.c host/os/posix/*.c host/program/pages/*.c blas/*.c bench/*.c)
common=(-std=c11 -D_GNU_SOURCE -Ihost -Iblas -I. -Itests/kernels "${packages[@]}")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

# analyze NAME RUN KINDS MARK: "RUN FILE OPTION..." writes the reports of a file to $log, of which
# the sed script KINDS prints the kinds; MARK stands before a kind in its lines.  Kinds that `known`
# does not list are failures.
analyze() {
    local name=$1 run=$2 kinds=$3 mark=$4 file kind
    for file in "${files[@]}"; do
        local head=(-include tests/analyze.h)
        case $file in
        # They include headers that the build makes.
        host/run/ranks_mpi.c | bench/output.c | host/program/help_command.c) continue ;;
        host/error.c | host/files/atomic.c) head=() ;;  # they are what the header speaks of
        esac
        "$run" "$file" "${common[@]}" "${head[@]}"
        while read -r kind; do
            known | grep -qF "$file $kind:" && continue
            failed=1
            echo "not ok - $file: $kind"
            grep -F -- "$mark$kind]" "$log"
        done < <(sed -n "$kinds" "$log" | sort -u)
    done
    [ $failed = 0 ] && echo "ok - $name, ${#files[@]} files"
}
