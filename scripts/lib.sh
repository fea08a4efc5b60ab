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

# step TEXT COMMAND... : runs a long step, telling now and then how long it has taken; its output is
# shown if it fails. The command runs in a subshell: what it sets is lost, and it ends at the first
# failure within it. Never call this within a condition, where bash goes on after failures.
step() {
  local text=$1 started=$SECONDS log status ticker
  shift
  log=$(mktemp "$ATLAS_CACHE/logs/step.XXXXXX")
  say "  … $text"
  tick "$text" >/dev/null &
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
  if ((status == 0)); then
    say "  ✓ $text ($((SECONDS - started)) s)"
    rm -f "$log"
    return
  fi
  say "  ✗ $text ($((SECONDS - started)) s); its last output:"
  tail -n 40 "$log" >&2
  say "    (all of it: $log)"
  return "$status"
}

# tick TEXT : says every 15 s (60 s where nobody watches) that a step still runs, until it is ended or
# its script is gone. Waits without a child of its own, which would keep the output open.
tick() {
  local started=$SECONDS every=60 told=0 clock
  [[ ! -t 2 ]] || every=15
  exec {clock}<> <(:)
  while kill -0 "$$" 2>/dev/null; do
    read -rt 1 -u "$clock" || true
    if (((SECONDS - started) / every > told)); then
      told=$(((SECONDS - started) / every))
      say "  … $1 ($((SECONDS - started)) s)"
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
