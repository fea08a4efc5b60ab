#!/usr/bin/env bash
# logs.sh [CONTAINER] [LINES] : the last lines that the world's containers, or one of them, have logged, each with the
# container's name before it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/provider.sh
source "$ATLAS_ROOT/scripts/provider.sh"

wanted=${1:-} lines=${2:-}
[[ -z $lines || $lines =~ ^[0-9]+$ ]] || die "LINES is $lines; it must be a number."
docker version >/dev/null 2>&1 || die "no Docker daemon answers; where it does not run, no world does."
mapfile -t containers < <(world_containers)
((${#containers[@]} > 0)) || die "no world runs here. make world brings it up."
if [[ -n $wanted ]]; then
  printf '%s\n' "${containers[@]}" | grep -qxF -- "$wanted" ||
    die "$wanted is no container of the world. These are: ${containers[*]}"
  containers=("$wanted")
  lines=${lines:-200}
fi
for container in "${containers[@]}"; do
  docker logs --tail "${lines:-20}" "$container" 2>&1 | without_colours | sed "s/^/$container | /"
done
