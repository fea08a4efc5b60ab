#!/usr/bin/env bash
# Takes the world away: what Terraform knows of, and then whatever else is labelled as the world's.
# Images and the cache stay; they are no part of the world.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/provider.sh
source "$ATLAS_ROOT/scripts/provider.sh"

docker version >/dev/null 2>&1 || die "no Docker daemon answers; where it does not run, no world does."

if [[ -s $ATLAS_STATE/world.tfstate && -x $ATLAS_PROVIDER_DIR/terraform-provider-atlas ]]; then
  use_provider
  # What it leaves is removed below: a world that is half broken must go too.
  world_destroy || say "Terraform could not take all of it away; removing the rest by its labels."
fi

# Left by an apply that was killed before Terraform could write its state.
networks=$(world_names network)
for cluster in $(world_names cluster world_regions); do
  docker ps -aq --filter "label=k3d.cluster=$cluster" | xargs -r docker rm -fv >/dev/null
  docker volume ls -q --filter "label=k3d.cluster=$cluster" | xargs -r docker volume rm >/dev/null
  networks+=" k3d-$cluster"
done
# All that is in the cloud side is in its volumes.
for server in $(world_names server); do
  docker ps -aq --filter "label=k3d.x.atlas.localstack=$server" | xargs -r docker rm -fv >/dev/null
  docker volume ls -q --filter "label=k3d.x.atlas.localstack=$server" | xargs -r docker volume rm >/dev/null
done
# So is all that is in the database, which needs no answer to go.
for cluster in $(world_names cluster world_cockroachdb); do
  docker ps -aq --filter "label=k3d.x.atlas.cockroachdb=$cluster" | xargs -r docker rm -fv >/dev/null
  docker volume ls -q --filter "label=k3d.x.atlas.cockroachdb=$cluster" | xargs -r docker volume rm >/dev/null
done
for network in $networks "atlas-bridge-$(world_names name)"; do
  if docker network inspect "$network" >/dev/null 2>&1; then docker network rm "$network" >/dev/null; fi
done
rm -rf "$ATLAS_STATE"
say "Nothing is left of the world. Images and $ATLAS_CACHE stay for the next one."
