# Completion of mco for fish. Written by `mco completion fish`.
function __mco_complete
    set -l words (commandline -opc) (commandline -ct)
    command mco __complete -- $words 2>/dev/null
    or __fish_complete_path (commandline -ct)
end
complete -c mco -f -a '(__mco_complete)'
