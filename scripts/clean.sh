#!/usr/bin/env bash
# Frees what Atlas has cached and built on this machine: the cache, and images named atlas/… . The world, where one runs,
# goes on; the next `make world` rebuilds all of it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

# Docker runs with these, where this repository has set it up.
kept=(bin/atlas-runc logs/dockerd.log)

images=()
if docker version >/dev/null 2>&1; then
  mapfile -t images < <(docker image ls --filter 'reference=atlas/*' --format '{{.Repository}}:{{.Tag}}')
fi
say "The cache $ATLAS_CACHE takes $(du -sh "$ATLAS_CACHE" | cut -f1)."
if ((${#images[@]} > 0)); then
  say "Images:"
  docker image ls --filter 'reference=atlas/*' --format '  {{.Repository}}:{{.Tag}}  {{.Size}}' >&2
fi
confirm "Remove all of it? The next build takes as long as the first."

# Whoever builds holds a lock on the folder that it builds in.
for lock in "$ATLAS_CACHE"/*/lock; do
  [[ ! -e $lock ]] || flock -n "$lock" true || die "a build is under way in ${lock%/lock}. Wait for its end."
done
before=$(du -sm "$ATLAS_CACHE" | cut -f1)
keep=()
for file in "${kept[@]}"; do keep+=(! -path "$ATLAS_CACHE/$file"); done
find "$ATLAS_CACHE" -mindepth 1 ! -type d "${keep[@]}" -delete
find "$ATLAS_CACHE" -mindepth 1 -type d -empty -delete
for image in "${images[@]}"; do
  docker image rm "$image" >/dev/null 2>&1 || say "  - $image is in use and stays"
done
say "The cache is $((before - $(du -sm "$ATLAS_CACHE" | cut -f1))) MB smaller."
