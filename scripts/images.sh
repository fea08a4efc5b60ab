#!/usr/bin/env bash
# Decides which images the world is made of, and builds the embedded ones where they are wanted. Prints
# `NAME=VALUE` lines for the environment.
#
# ATLAS_IMAGES: published (pulled from their registries), embedded (built here from package registries),
# or auto (published where the daemon can pull, the default).
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/setup/packages.sh
source "$ATLAS_ROOT/scripts/setup/packages.sh"

published=docker.io/rancher/k3s:v1.33.4-k3s1

# Whether the daemon reaches the registry: it says "Pulling from" once that has answered. What follows
# may take as long as the connection needs.
registry_answers() {
  docker image inspect "$published" >/dev/null 2>&1 && return
  { timeout 30 docker pull "$published" 2>/dev/null || true; } | grep -q 'Pulling from'
}

build_images() {
  local name
  for name in "$@"; do "$ATLAS_ROOT/embedded/$name/build.sh"; done
}

choice=${ATLAS_IMAGES:-auto}
if [[ $choice == auto && -f $ATLAS_STATE/images ]]; then
  # What worked once for this checkout is not tried anew every time.
  choice=$(<"$ATLAS_STATE/images")
elif [[ $choice == auto ]]; then
  say "  … asking the registry for $published"
  choice=embedded
  if registry_answers; then choice=published; fi
  say "  ✓ images: $choice"
  if [[ $choice == published ]]; then step "pull $published" docker pull --quiet "$published"; fi
  # Only what was found out: a choice made by hand is for this one run.
  echo "$choice" >"$ATLAS_STATE/images"
fi

case $choice in
  published)
    echo "ATLAS_NODE_IMAGE=$published"
    echo "ATLAS_LOADBALANCER_IMAGE=ghcr.io/k3d-io/k3d-proxy:5.8.3"
    echo "ATLAS_TOOLS_IMAGE=ghcr.io/k3d-io/k3d-tools:5.8.3"
    # It replicates between buckets of one server only, so one server serves all regions.
    echo "ATLAS_LOCALSTACK_IMAGE=docker.io/localstack/localstack:4.9.2"
    echo "ATLAS_SERVER_PER_REGION=false"
    echo "ATLAS_COCKROACHDB_IMAGE=docker.io/cockroachdb/cockroach:v25.4.11"
    ;;
  embedded)
    install_packages debootstrap:debootstrap >&2
    # Two chains: unpacking and linking keep one processor busy, compiling takes what there is.
    build_images loadbalancer localstack cockroach-double &
    beside=$!
    trap 'kill "$beside" 2>/dev/null || true' EXIT
    build_images node argocd
    wait "$beside"
    trap - EXIT
    echo "ATLAS_NODE_IMAGE=atlas/node:v1.33.4"
    echo "ATLAS_LOADBALANCER_IMAGE=atlas/loadbalancer:1"
    echo "ATLAS_TOOLS_IMAGE=atlas/tools:1"
    echo "ATLAS_LOCALSTACK_IMAGE=atlas/localstack:4.9.2"
    echo "ATLAS_SERVER_PER_REGION=true"
    echo "ATLAS_COCKROACHDB_IMAGE=atlas/cockroach-double:v25.4.11"
    ;;
  *) die "ATLAS_IMAGES is $choice; it must be published, embedded or auto." ;;
esac

# This repository's own, published nowhere.
"$ATLAS_ROOT/embedded/replicator/build.sh"
echo "ATLAS_REPLICATOR_IMAGE=atlas/replicator:1"
