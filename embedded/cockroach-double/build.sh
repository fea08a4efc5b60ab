#!/usr/bin/env bash
# Builds the image atlas/cockroach-double: the double behind the contract of cockroachdb/cockroach. A second tag is the
# same program that tells the version before, for tests of rolling upgrades.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"

name=atlas/cockroach-double
version=v25.4.11
before=v25.4.10
# A shell and its usual tools are part of the contract: entry points and probes are scripts.
debian=$(debian_tree cockroach-double ca-certificates curl hostname)
# By a cargo run of its own: what ships has nothing in common with it.
program=$(static_programs "build the double of CockroachDB" cockroach-double)/cockroach-double
inputs=$(inputs_hash "$debian" "$program" embedded/cockroach-double/build.sh embedded/cockroach-double/cockroach.sh)

assemble() {
  tar -C "$tree" -xf "$debian"
  chmod 0755 "$tree"
  install -d -m 0755 "$tree/cockroach"
  install -m 0755 "$program" "$tree/cockroach/cockroach"
  install -m 0755 "$ATLAS_ROOT/embedded/cockroach-double/cockroach.sh" "$tree/cockroach/cockroach.sh"
}
if ! image_is "$name:$version" "$inputs"; then
  tree=$(mktemp -d "$ATLAS_CACHE/trees/cockroach-double.XXXXXX")
  trap 'rm -rf "$tree"' EXIT
  step "assemble $name" assemble
  step "import $name" import_tree "$tree" "$name:$version" "$inputs" 'ENTRYPOINT ["/cockroach/cockroach.sh"]' \
    'WORKDIR /cockroach' 'EXPOSE 26257 8080' 'ENV COCKROACH_CHANNEL=atlas-test-double' \
    'ENV PATH=/cockroach:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
fi

# The same layer with one more variable: a container that never runs gives it.
tell_version_before() {
  local container old
  old=$(docker image inspect --format '{{.Id}}' "$name:$before" 2>/dev/null) || old=
  container=$(docker create "$name:$version")
  docker commit --change "ENV ATLAS_DOUBLE_VERSION=$before" --change "LABEL atlas.inputs=$inputs-$before" \
    "$container" "$name:$before"
  docker rm "$container"
  # The one before and what it was made of, unless a container still uses it.
  if [[ -n $old ]]; then docker rmi "$old" || true; fi
}
image_is "$name:$before" "$inputs-$before" || step "tag $name:$before" tell_version_before
