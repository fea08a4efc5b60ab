#!/usr/bin/env bash
# Takes the world away: what Terraform knows of, and then whatever else is labelled as the world's.
# Images and the cache stay; they are no part of the world.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/provider.sh
source "$ATLAS_ROOT/scripts/provider.sh"

confirm "Take the world away, with all data in its clusters, LocalStack and database?"
docker version >/dev/null 2>&1 || die "no Docker daemon answers; where it does not run, no world does."

if [[ -s $ATLAS_STATE/world.tfstate && -x $ATLAS_PROVIDER_DIR/terraform-provider-atlas ]]; then
  use_provider
  # What it leaves is removed below: a world that is half broken must go too. In a condition, as its only command may fail.
  step_showing '^(Destroy complete!|Plan: )' "Terraform destroys it" world_destroy || say "Terraform could not take all of it away; removing the rest by its labels."
fi

# On all that Atlas makes. What only has the name of something in the world's description is somebody else's.
ours=k3d.x.atlas.managed

# Left by an apply that was killed before Terraform could write its state.
networks=$(world_names network)
for cluster in $(world_names cluster world_regions); do
  if [[ -n $(docker ps -aq --filter "label=k3d.cluster=$cluster" --filter "label=$ours") ]]; then
    # Nodes that k3d added to it as well.
    docker ps -aq --filter "label=k3d.cluster=$cluster" | xargs -r docker rm -fv >/dev/null
  elif [[ -n $(docker ps -aq --filter "label=k3d.cluster=$cluster") ]]; then
    say "A cluster $cluster is there that Atlas did not make; it is left alone."
  fi
  docker volume ls -q --filter "label=k3d.cluster=$cluster" --filter "label=$ours" | xargs -r docker volume rm >/dev/null
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
  if [[ -n $(docker network ls -q --filter "name=^$network\$" --filter "label=$ours") ]]; then
    docker network rm "$network" >/dev/null
  fi
done
# Marks of creates that were killed. They end with the name of what was to be made.
docker volume ls --filter "label=k3d.x.atlas.begun" --format '{{.Name}}' | while IFS= read -r mark; do
  for name in $networks $(world_names name) $(world_names server) $(world_names cluster); do
    if [[ $mark == atlas-begun-*-"$name" || $mark == atlas-begun-cockroachdb-*-"$name".* ]]; then
      docker volume rm "$mark" >/dev/null
      break
    fi
  done
done

if [[ -e $ATLAS_STATE_MARK ]]; then
  # Only what these scripts, Terraform and the playbook put there.
  for cluster in $(world_names cluster world_regions); do rm -f "$ATLAS_STATE/$cluster.yaml"{,.lock}; done
  (cd "$ATLAS_STATE" && rm -rf images env bin providers terraform.rc cloud.rc terraform terraform-* collections cockroachdb argocd-password \
    argocd-*.yaml {world,cloud}.tfstate* .{world,cloud}.tfstate.lock.info "${ATLAS_STATE_MARK##*/}")
fi
if [[ -z $(ls -A "$ATLAS_STATE") ]]; then
  rmdir "$ATLAS_STATE"
else
  say "$ATLAS_STATE holds files that are not the world's; they are left alone."
fi
say "Nothing is left of the world. Images and $ATLAS_CACHE stay for the next one."
