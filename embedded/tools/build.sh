#!/usr/bin/env bash
# Builds the image atlas/tools, the twin of k3d-tools that the k3d CLI starts beside a cluster.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"

image=atlas/tools:1
debian=$(debian_tree tools ca-certificates curl)
inputs=$(inputs_hash "$debian" embedded/tools)
image_is "$image" "$inputs" && exit 0

tree=$(mktemp -d "$ATLAS_CACHE/trees/tools.XXXXXX")
trap 'rm -rf "$tree"' EXIT
assemble() {
  tar -C "$tree" -xf "$debian"
  mkdir -p "$tree/app"
  install -m 0755 "$ATLAS_ROOT/embedded/tools/k3d-tools" "$tree/app/k3d-tools"
}
step "assemble $image" assemble
step "import $image" import_tree "$tree" "$image" "$inputs" 'WORKDIR /app' 'ENTRYPOINT ["/app/k3d-tools"]' \
  'CMD ["noop"]' 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
