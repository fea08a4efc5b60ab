# shellcheck shell=bash
# What all scripts share: where things are, how progress is told, how work is cached.
# Sourced, never run.

# A failure inside $(…) is a failure.
shopt -s inherit_errexit

ATLAS_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ATLAS_ROOT
# Heavy results live outside the tree, named by the hash of what they are made of.
ATLAS_CACHE=${ATLAS_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/atlas}
export ATLAS_CACHE
# What belongs to this checkout's world: Terraform's CLI configuration, kubeconfigs.
ATLAS_STATE=${ATLAS_STATE_DIR:-$ATLAS_ROOT/.atlas}
export ATLAS_STATE
# Says that the folder of the state was made for that, so that it may go with the world.
ATLAS_STATE_MARK=$ATLAS_STATE/.made-for-atlas
mkdir -p "$ATLAS_CACHE/bin" "$ATLAS_CACHE/logs" "$ATLAS_CACHE/trees" "$ATLAS_STATE"
if [[ $ATLAS_STATE == "$ATLAS_ROOT/.atlas" || -z $(ls -A "$ATLAS_STATE") ]]; then : >"$ATLAS_STATE_MARK"; fi

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# confirm QUESTION : ends the script unless the user agrees. Asks on a terminal alone, and not with YES=1 or ATLAS_YES=1.
confirm() {
  local answer
  if [[ ${YES:-} == 1 || ${ATLAS_YES:-} == 1 || ! -t 0 || ! -t 2 ]]; then return; fi
  read -rp "$1 [y/N] " answer || true
  [[ $answer == [yY] || $answer == [yY][eE][sS] ]] || die "nothing was changed."
}

# step TEXT COMMAND... : runs a long step, telling now and then how far it is; of its output it shows what tells the
# error, if it fails. All of the output is added to ATLAS_LOG where that is set. The command runs in a subshell: what it
# sets is lost, and it ends at the first failure within it. Never call this within a condition, where bash goes on after
# failures.
step() { step_showing '' "$@"; }

# step_showing PATTERN TEXT COMMAND... : the same, and shows the lines of the output that match (grep -E) as well.
step_showing() {
  local pattern=$1 text=$2 started=$SECONDS log status ticker
  shift 2
  log=$(mktemp "$ATLAS_CACHE/logs/step.XXXXXX")
  say "  … $text"
  tick "$text" "$log" >/dev/null &
  ticker=$!
  # Not `if "$@"`: that would be such a condition.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1
  status=$?
  set -e
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  if [[ -n ${ATLAS_LOG:-} ]]; then
    { printf '\n== %s\n' "$text" && without_colours <"$log"; } >>"$ATLAS_LOG"
  fi
  if ((status == 0)); then
    say "  ✓ $text ($((SECONDS - started)) s)"
    if [[ -n $pattern ]]; then { grep -E -- "$pattern" "$log" || true; } | sed 's/^/      /' >&2; fi
    rm -f "$log"
    return
  fi
  say "  ✗ $text ($((SECONDS - started)) s):"
  error_part "$log" >&2
  if [[ -n ${ATLAS_LOG:-} ]]; then rm -f "$log"; fi
  say "    (all of it: ${ATLAS_LOG:-$log})"
  return "$status"
}

# without_colours : takes the codes of a terminal out of what it reads.
without_colours() { sed $'s/\033\\[[0-9;]*m//g'; }

# error_part LOG : from where Terraform, cargo or a script begins to tell an error, or from the last task of Ansible that
# failed; the last lines where nothing looks like that.
error_part() {
  without_colours <"$1" | awk -v most=60 '
    { line[NR] = $0 }
    /^TASK \[|^RUNNING HANDLER \[/ { task = NR }
    /^(fatal|failed): \[|^\[ERROR\]: / { first = task ? task : NR }
    !first && /^(│ )?Error: |^error(\[E[0-9]+\])?: / { first = NR }
    END {
      if (!first) first = NR > 40 ? NR - 39 : 1
      for (at = first; at <= NR && at < first + most; at++) print line[at]
      if (at <= NR) print "…"
    }'
}

# tick TEXT LOG : says every 15 s (60 s where nobody watches) that a step still runs and what it said last, until it is
# ended or its script is gone. Waits without a child of its own, which would keep the output open.
tick() {
  local started=$SECONDS every=60 told=0 clock last
  [[ ! -t 2 ]] || every=15
  exec {clock}<> <(:)
  while kill -0 "$$" 2>/dev/null; do
    read -rt 1 -u "$clock" || true
    if (((SECONDS - started) / every > told)); then
      told=$(((SECONDS - started) / every))
      last=$(tail -n 1 "$2" 2>/dev/null | without_colours | sed 's/^ *//')
      say "  … $1 ($((SECONDS - started)) s)${last:+: ${last:0:60}}"
    fi
  done
}

# content_hash PATH... : 16 hexadecimal digits over names and contents of files git would keep.
content_hash() {
  (
    cd "$ATLAS_ROOT" || exit 1
    {
      # Staged or not, tracked or new; never what .gitignore names.
      git ls-files -z --cached --others --exclude-standard -- "$@" | sort -zu |
        while IFS= read -r -d '' file; do
          if [[ -f $file ]]; then sha256sum "$file"; fi
        done
    } | sha256sum | cut -c1-16
  )
}

# require_state : refuses to keep a world's state among somebody's files: a folder that is new or empty, or was such
# when a script used it first.
require_state() {
  [[ -e $ATLAS_STATE_MARK ]] ||
    die "$ATLAS_STATE is not empty, and nothing says that it is for this: name a new folder in ATLAS_STATE_DIR."
}

have() { command -v "$1" >/dev/null 2>&1; }
