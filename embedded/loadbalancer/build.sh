#!/usr/bin/env bash
# Builds the image atlas/loadbalancer: nginx behind the contract of k3d-proxy.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"

image=atlas/loadbalancer:1
debian=$(debian_tree loadbalancer ca-certificates libnginx-mod-stream nginx-light)
supervisor=$(rust_program loadbalancer)
inputs=$(inputs_hash "$debian" "$supervisor" embedded/loadbalancer/build.sh)
image_is "$image" "$inputs" && exit 0

tree=$(mktemp -d "$ATLAS_CACHE/trees/loadbalancer.XXXXXX")
trap 'rm -rf "$tree"' EXIT
assemble() {
  tar -C "$tree" -xf "$debian"
  mkdir -p "$tree/etc/confd" "$tree/k3d/images"
  install -m 0755 "$supervisor" "$tree/usr/bin/loadbalancer"
}
step "assemble $image" assemble
step "import $image" import_tree "$tree" "$image" "$inputs" 'ENTRYPOINT ["/usr/bin/loadbalancer"]' \
  'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
