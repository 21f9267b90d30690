#compdef compose
# What zsh completes for compose: compose itself is asked what can stand at the
# cursor ("compose help completion"), so this need not change when compose does.

_compose() {
  local program=${(Q)words[1]} line word
  local -a answer candidates

  # Of a word such as ./bin/compose it is this very program that is asked.
  program=${program/#\~\//$HOME/}
  whence -p -- $program >/dev/null || program=compose
  answer=("${(@f)$($program completion -words -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" </dev/null 2>/dev/null)}")

  # What stays of the word: -format=tar, of -format=tar,doc
  [[ -n $answer[2] ]] && compset -P "${(b)answer[2]}"

  for line in "${(@)answer[3,-1]}"; do
    word=${line%%$'\t'*}
    candidates+=("${word//:/\\:}${line[$#word+1,-1]/$'\t'/:}")
  done
  (( $#candidates )) && _describe -V 'word' candidates

  case $answer[1] in
    words) (( $#candidates )) ;;
    directories) _files -/ ;;
    'files '*) _files -g "${answer[1]#files }" ;;
    *) _files ;; # of a compose that cannot be asked, too
  esac
}

if [[ $funcstack[1] == _compose ]]; then
  _compose "$@"
else
  compdef _compose compose
fi
