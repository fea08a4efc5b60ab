#!/usr/bin/env bash
# Builds the real k3d CLI from its Go module, one per folder here, as k3d-VERSION in the cache's bin.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"

for version in v5.8.3 v5.9.0; do
  built=$(go_programs "k3d-$version" "embedded/k3d-cli/$version" \
    "-X github.com/k3d-io/k3d/v5/version.Version=$version" github.com/k3d-io/k3d/v5)
  install -m 0755 "$built"/* "$ATLAS_CACHE/bin/k3d-$version"
done
