#!/usr/bin/env bash
# How the world is. Exit code: 0 all is well, 1 something is down or not as declared, 2 that is not known.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/provider.sh
source "$ATLAS_ROOT/scripts/provider.sh"

if [[ ! -x $ATLAS_STATE/bin/atlas ]]; then
  say "No world was made from this checkout. make world brings it up."
  exit 2
fi
exec "$ATLAS_STATE/bin/atlas" status --world "$ATLAS_WORLD" --state "$ATLAS_STATE" "$@"
