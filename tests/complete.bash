# SPDX-License-Identifier: MIT
# What bash completes.
# usage: bash tests/complete.bash FILE LINE      FILE: the completion of ffcl
# Prints the matches, one a line, as readline would put them behind the last = or : of the line.
# shellcheck disable=SC1090,SC2034 # what is made when ffcl is built; COMP_... are for it
source "$1"
compopt() { # only readline knows it
    return 0
}
COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDS=("${2%% *}")
_ffcl
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
