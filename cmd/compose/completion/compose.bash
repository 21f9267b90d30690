# shellcheck shell=bash
# What bash completes for compose: compose itself is asked what can stand at the
# cursor ("compose help completion"), so this need not change when compose does.

_compose() {
  local line=${COMP_LINE:0:COMP_POINT} typed=$2
  local i word rest head program what prefix candidate
  local -a words=() patterns=()
  COMPREPLY=()

  # bash splits words at = and : too; what stands together is one word. The last
  # is known up to the cursor.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    rest=${line#"${line%%[![:space:]]*}"}
    word=${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || word=$rest
    if ((i > 0)) && [[ -n $word && $rest == "$line" ]]; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    line=${rest#"$word"}
  done

  # What readline leaves as it is: all of the word before what it has split off.
  head=${words[${#words[@]} - 1]}
  head=${head%"$typed"}
  head=${head//[\"\'\\]/}
  words=("${words[@]//[\"\'\\]/}")

  # Of a word such as ./bin/compose it is this very program that is asked.
  program=${words[0]}
  [[ $program == \~/* ]] && program=$HOME/${program:2}
  type -P "$program" >/dev/null || program=compose
  {
    IFS= read -r what
    IFS= read -r prefix
    while IFS= read -r candidate; do
      candidate=$prefix${candidate%%$'\t'*}
      [[ $candidate == "$head$typed"* ]] && COMPREPLY+=("${candidate#"$head"}")
    done
  } < <("$program" completion -words -- "${words[@]:1}" </dev/null 2>/dev/null)

  case $what in
    words) return ;;
    directories) ;;
    'files '*) IFS=' ' read -ra patterns <<<"${what#files }" ;;
    *) patterns=('*') ;; # of a compose that cannot be asked, too
  esac
  compopt -o filenames 2>/dev/null
  _compose_paths "$typed" "${patterns[@]}"
  if [[ ${#COMPREPLY[@]} == 0 && $what != directories ]]; then
    _compose_paths "$typed" '*'
  fi
}

# _compose_paths TYPED [PATTERN...] takes directories, and files that match.
_compose_paths() {
  local typed=$1 path pattern
  shift
  while IFS= read -r path; do
    COMPREPLY+=("$path")
  done < <(
    compgen -d -- "$typed"
    for pattern; do
      compgen -f -X "!$pattern" -- "$typed" | while IFS= read -r path; do
        [[ -d $path ]] || printf '%s\n' "$path"
      done
    done
  )
}

complete -F _compose compose
