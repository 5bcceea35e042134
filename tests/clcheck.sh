#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks every kernel source with clang as plain OpenCL C 1.2, no device needed.  A clang that
# knows the built-in functions of OpenCL C takes away all extensions, so that a kernel which needs
# half or double arithmetic is an error.  A file with assembly in it is checked for the machine
# that it is written for.
# cl/gemm_matrix_unit.cl is also compiled with the built-ins of each kind of matrix unit, for
# machines that have it: by clang for AMD's, by ocloc (Debian: intel-opencl-icd) for Intel's.
# Kernels of one family share their arguments, whatever their options use of them.
# usage: tests/clcheck.sh      CLANG=clang-19 picks a compiler
set -u
cd "$(dirname "$0")/.." || exit 2

clang=${CLANG:-}
for c in clang-15 clang clang-{14,16,17,18,19,20}; do
    if [ -z "$clang" ] && command -v "$c" > /dev/null; then
        clang=$c
    fi
done
if [ -z "$clang" ]; then
    echo "skip - clcheck (clang is not installed)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

log=$(mktemp)
scratch=$(mktemp -d)
trap 'rm -rf "$log" "$scratch"' EXIT
flags=(-x cl -cl-std=CL1.2 -Xclang -finclude-default-header -Xclang -cl-ext=-all -fsyntax-only
    -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-parameter)
passed=0 failed=0 skipped=0

count() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" > "$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "not ok - $name"
        sed 's/^/    /' "$log"
    fi
}

for file in cl/*.cl; do
    own=(-include cl/common.cl)
    if [ "$file" = cl/common.cl ]; then
        own=()
    elif grep -q __asm__ "$file"; then
        own+=(-target nvptx64-nvidia-nvcl -Xclang -target-cpu -Xclang sm_80)
    fi
    count "$file" "$clang" "${flags[@]}" "${own[@]}" "$file"
done

# ---- no warning on a processor of any width ------------------------------------------------------

# PoCL prints how many there are into the user's terminal.  Some come only when code is generated.
for file in cl/*.cl; do
    grep -q __asm__ "$file" || [ "$file" = cl/common.cl ] && continue
    for options in -DVW=16 "-DVW=16 -DHALF"; do
        # shellcheck disable=SC2086 # a list of options
        count "$file for a plain x86-64, $options" "$clang" -x cl -cl-std=CL1.2 -Werror -O1 -c \
            -target x86_64-pc-linux-gnu -Xclang -finclude-default-header -o "$scratch/warned.o" \
            -include cl/common.cl $options "$file"
    done
done

for file in cl/numbers.cl cl/groupnorm_row.cl cl/attention_row.cl; do
    count "$file, rounded by itself" "$clang" "${flags[@]}" -include cl/common.cl -DVW=16 -DHALF \
        -DROUND_HALF -DNO_NATIVE "$file"
done

# ---- matrix units of other vendors ---------------------------------------------------------------

source=cl/gemm_matrix_unit.cl

skip() { # NAME REASON
    skipped=$((skipped + 1))
    echo "skip - $1 ($2)"
}

for_amd() { # TARGET INSTRUCTION OPTION...: the instruction must be in the assembly
    local target=$1 instruction=$2
    shift 2
    "$clang" -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -include cl/common.cl -Wall \
        -Werror -Wno-unused-function -target amdgcn-amd-amdhsa -mcpu="$target" -nogpulib -O2 -S \
        -o "$scratch/matrix.s" "$@" $source && grep -q "$instruction" "$scratch/matrix.s"
}

# ocloc calls what it could not compile a warning, or nothing.
for_intel() { # TARGET OPTION...
    local target=$1
    shift
    ocloc compile -file "$scratch/matrix.cl" -device "$target" -out_dir "$scratch" \
        -options "-cl-std=CL1.2 -I $PWD/cl $*" > "$scratch/said" 2>&1
    local code=$?
    cat "$scratch/said"
    [ $code = 0 ] && ! grep -qE '^error|: error|INVALID' "$scratch/said"
}

# unit COMPILE TARGET OPTIONS TILE...: all tiles of blas/half.c, in three kinds.
unit() {
    local compile=$1 target=$2 options=$3 tile kind
    shift 3
    for tile in "$@"; do
        for kind in -DACT=1 "-DCONV=1 -DUP=1" "-DOUT_FLOAT=1 -DSPLIT=1"; do
            # shellcheck disable=SC2086 # lists of options are split on purpose
            count "$source: $target $options $tile $kind" \
                $compile $target $options $tile $kind
        done
    done
}

tile() { # BM WARPS_M WARPS_N
    echo "-DBM=$1 -DBN=64 -DWARPS_M=$2 -DWARPS_N=$3"
}

amd_unit() { # NAME TARGET INSTRUCTION TILE...
    local name=$1 target=$2 instruction=$3
    shift 3
    if "$clang" -x cl -target amdgcn-amd-amdhsa -mcpu="$target" -nogpulib -S -o "$scratch/empty.s" \
        /dev/null > /dev/null 2>&1; then
        unit for_amd "$target $instruction" "-DUNIT=$name" "$@"
    else
        skip "$source for $target" "$clang does not know it"
    fi
}

printf '#include "common.cl"\n#include "gemm_matrix_unit.cl"\n' > "$scratch/matrix.cl"
amd_unit WMMA gfx1100 v_wmma_f32_16x16x16_f16 "$(tile 128 4 2)" "$(tile 64 2 2)"
amd_unit MFMA gfx90a v_mfma_f32_32x32x8f16 "$(tile 128 2 2)" "$(tile 64 2 2)"
if command -v ocloc > /dev/null; then
    unit for_intel dg2 "-DUNIT=DPAS -DLANES=8" "$(tile 128 8 4)" "$(tile 64 4 4)"
    unit for_intel pvc "-DUNIT=DPAS -DLANES=16" "$(tile 128 8 2)" "$(tile 64 4 2)"
    large="-DBM=128 -DBN=128 -DWARPS_M=4 -cl-intel-256-GRF-per-thread"
    unit for_intel dg2 "-DUNIT=DPAS -DLANES=8" "$large -DWARPS_N=4"
    unit for_intel pvc "-DUNIT=DPAS -DLANES=16" "$large -DWARPS_N=2"
else
    skip "$source for Intel" "ocloc is not installed; Debian has it in intel-opencl-icd"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
