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
ATLAS_STATE=$ATLAS_ROOT/.atlas
export ATLAS_STATE
mkdir -p "$ATLAS_CACHE/bin" "$ATLAS_CACHE/logs" "$ATLAS_CACHE/trees" "$ATLAS_STATE"

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# step TEXT COMMAND... : runs a long step with its elapsed time; its output is shown if it fails.
step() {
  local text=$1 started=$SECONDS log
  shift
  log=$(mktemp "$ATLAS_CACHE/logs/step.XXXXXX")
  say "  … $text"
  if "$@" >"$log" 2>&1; then
    say "  ✓ $text ($((SECONDS - started)) s)"
    rm -f "$log"
  else
    local status=$?
    say "  ✗ $text ($((SECONDS - started)) s); its last output:"
    tail -n 40 "$log" >&2
    say "    (all of it: $log)"
    return "$status"
  fi
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

have() { command -v "$1" >/dev/null 2>&1; }
