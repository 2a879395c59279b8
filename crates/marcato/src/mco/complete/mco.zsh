#compdef mco
# Completion of mco for zsh. Written by `mco completion zsh`.
_mco() {
    local said line
    local -a values shown open open_shown
    if ! said=$(command mco __complete -- "${(@Q)words[1,CURRENT]}" 2>/dev/null); then
        _files
        return
    fi
    for line in "${(@f)said}"; do
        [[ -n $line ]] || continue
        # What ends in = is to be gone on with at once.
        if [[ ${line%%$'\t'*} == *= ]]; then
            open+=("${line%%$'\t'*}")
            open_shown+=("${line/$'\t'/  }")
        else
            values+=("${line%%$'\t'*}")
            shown+=("${line/$'\t'/  }")
        fi
    done
    (( $#values )) && compadd -l -d shown -a values
    (( $#open )) && compadd -l -S '' -d open_shown -a open
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _mco "$@"
else
    compdef _mco mco
fi
