# Completion of mco for bash 4.4 or newer. Written by `mco completion bash`.
_mco() {
    local words
    COMPREPLY=()
    if words=$(command mco __complete --bash -- "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null); then
        [[ -n $words ]] && mapfile -t COMPREPLY <<<"$words"
        [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    else
        compopt -o default
    fi
} 2>/dev/null
complete -F _mco mco
