# SPDX-License-Identifier: MIT
# What zsh completes: the completion system runs in a shell with a terminal of its own, where Tab is
# pressed behind the line.
# usage: zsh -f tests/complete.zsh FOLDER LINE       FOLDER: holds _ffcl
# Prints the matches, one a line.
zmodload zsh/zpty || exit 2

setup=$(mktemp)
cat > $setup << 'SETUP'
unset zle_bracketed_paste
PS1= RPS1= LISTMAX=100000
fpath=($folder $fpath)
autoload -Uz compinit && compinit -u -D
# Matches are printed where they are added.
compadd() {
    local -a _offered       # no name that the caller's arrays have
    if [[ -z ${argv[(r)-O]}${argv[(r)-A]}${argv[(r)-D]} ]]; then
        builtin compadd -O _offered "$@"
        (($#_offered)) && print -r -- $'\n'"match:"${^_offered}
    fi
    builtin compadd "$@"
}
give_up() {
    print -r -- $'\n'fini""shed
}
zle -N give_up
bindkey '^I' complete-word '^X' give_up
print rea""dy
SETUP

zpty shell 'TERM=dumb zsh -f -i'
zpty -w shell "folder=${(q)1}; source $setup"
while zpty -r shell line; do
    [[ $line == *ready* ]] && break
done
zpty -n -w shell "$2"$'\t\x18'
while zpty -r shell line; do
    [[ $line == *finished* ]] && break
    [[ ${line%$'\r'*} == *match:* ]] && print -r -- ${${${line##*match:}%%[$'\r\n']*}% }
done
zpty -d shell
rm -f $setup
