#!/usr/bin/env bash
# Builds the image atlas/cockroach-double: the double behind the contract of cockroachdb/cockroach.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"

image=atlas/cockroach-double:v25.4
# A shell and its usual tools are part of the contract: entry points and probes are scripts.
debian=$(debian_tree cockroach-double ca-certificates curl hostname)
# By a cargo run of its own: only tests want it, and what ships is not to wait for it.
program=$(static_programs "build the double of CockroachDB" cockroach-double)/cockroach-double
inputs=$(inputs_hash "$debian" "$program" embedded/cockroach-double/build.sh embedded/cockroach-double/cockroach.sh)
image_is "$image" "$inputs" && exit 0

tree=$(mktemp -d "$ATLAS_CACHE/trees/cockroach-double.XXXXXX")
trap 'rm -rf "$tree"' EXIT
assemble() {
  tar -C "$tree" -xf "$debian"
  install -d -m 0755 "$tree/cockroach"
  install -m 0755 "$program" "$tree/cockroach/cockroach"
  install -m 0755 "$ATLAS_ROOT/embedded/cockroach-double/cockroach.sh" "$tree/cockroach/cockroach.sh"
}
step "assemble $image" assemble
step "import $image" import_tree "$tree" "$image" "$inputs" 'ENTRYPOINT ["/cockroach/cockroach.sh"]' \
  'WORKDIR /cockroach' 'EXPOSE 26257 8080' 'ENV COCKROACH_CHANNEL=atlas-test-double' \
  'ENV PATH=/cockroach:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
