#!/usr/bin/env bash
# Builds OpenTofu from its Go module, as tofu-VERSION in the cache's bin, and prints that path.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"

version=v1.10.6
built=$(go_programs "tofu-$version" embedded/opentofu \
  "-X github.com/opentofu/opentofu/version.dev=no" github.com/opentofu/opentofu/cmd/tofu)
install -m 0755 "$built/tofu" "$ATLAS_CACHE/bin/tofu-$version"
echo "$ATLAS_CACHE/bin/tofu-$version"
