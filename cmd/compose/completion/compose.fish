# What fish completes for compose: compose itself is asked what can stand at the
# cursor ("compose help completion"), so this need not change when compose does.

function __compose_complete
    set -l words (commandline -opc)
    set -l token (commandline -ct)

    # Of a word such as ./bin/compose it is this very program that is asked.
    set -l asked $words[2..-1] (string replace -ra '["\'\\\\]' '' -- "$token")
    set -l answer
    for program in (string replace -r '^~/' "$HOME/" -- $words[1]) compose
        if command -q -- "$program"
            set answer (command $program completion -words -- $asked </dev/null 2>/dev/null)
            break
        end
    end
    set -l what $answer[1]
    set -l prefix $answer[2]
    set -e answer[1..2]
    set -l wanted '' # a compose that cannot be asked leaves it so, too

    for candidate in $answer
        printf '%s%s\n' "$prefix" $candidate
    end
    switch "$what"
        case words
            return
        case directories
            set wanted '/$'
        case 'files *'
            # *.yml *.yaml becomes (?:/|\.yml|\.yaml)$
            set -l ends (string replace -a '*' '' -- (string split ' ' -- $what)[2..-1])
            set wanted '(?:/|'(string join '|' (string escape --style=regex -- $ends))')$'
    end
    set -l typed (string replace -- "$prefix" '' "$token")
    set -l paths (complete -C "'' $typed")
    set -l fitting (string match -r -- ".*$wanted" $paths)
    if not set -q fitting[1]; and test "$what" != directories
        set fitting $paths
    end
    printf '%s\n' "$prefix"$fitting
end

complete -c compose -k -f -a '(__compose_complete)'
