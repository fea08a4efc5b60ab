#!/usr/bin/env bash
# From a clone to a running world. Safe to run again: what is as declared is left alone.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/provider.sh
source "$ATLAS_ROOT/scripts/provider.sh"
# shellcheck source=scripts/setup/packages.sh
source "$ATLAS_ROOT/scripts/setup/packages.sh"
# shellcheck source=scripts/ansible.sh
source "$ATLAS_ROOT/scripts/ansible.sh"
# shellcheck source=scripts/collection.sh
source "$ATLAS_ROOT/scripts/collection.sh"
# shellcheck source=scripts/kubectl.sh
source "$ATLAS_ROOT/scripts/kubectl.sh"
# shellcheck source=scripts/cloud.sh
source "$ATLAS_ROOT/scripts/cloud.sh"
# shellcheck source=scripts/environment.sh
source "$ATLAS_ROOT/scripts/environment.sh"

require_state
"$ATLAS_ROOT/scripts/setup.sh"
say "Images"
images=$("$ATLAS_ROOT/scripts/images.sh")
while IFS= read -r line; do export "${line?}"; done <<<"$images"
say "Provider"
build_provider
use_provider
cloud=terraform
ensure_aws_provider || cloud=ansible
say "Ansible"
ensure_ansible requirements.txt
build_collection
ensure_kubectl
write_environment
say "World: Terraform"
started=$SECONDS
world_apply
if [[ $cloud == terraform ]]; then
  say "World: its cloud side, by Terraform"
  step "get its providers ready" init_with_aws cloud
  cloud_apply
fi
say "World: Ansible"
run_playbook site.yml
say
say "The world runs (applied in $((SECONDS - started)) s)."
for cluster in $(world_names cluster world_regions); do
  say "  $cluster: kubectl --kubeconfig $ATLAS_STATE/$cluster.yaml get nodes"
done
say "Names reach across: <service>.<namespace>.svc.<cluster>.atlas.internal resolves in both clusters."
say "  Argo CD: https://127.0.0.1:30443, user admin, password in $ATLAS_STATE/argocd-password"
for server in $(world_names server); do
  address=$(docker port "atlas-localstack-$server" 4566 2>/dev/null) || continue
  say "  LocalStack $server: aws --endpoint-url http://$address s3 ls"
done
for database in $(world_names database world_cockroachdb); do
  cluster=$(world_names cluster world_cockroachdb)
  if [[ $ATLAS_COCKROACHDB_IMAGE == atlas/cockroach-double:* ]]; then
    say "  CockroachDB's image cannot be had here: a test double of it runs, which is for tests, and not for data."
  fi
  say "  Database $database, user root, its certificate in $ATLAS_STATE/cockroachdb:"
  # The first node of each region.
  for node in $(docker ps --filter "label=k3d.x.atlas.cockroachdb=$cluster" --filter label=k3d.x.atlas.cockroachdb.node=1 --format '{{.Names}}'); do
    address=$(docker port "$node" 26257 2>/dev/null) || continue
    region=$(docker inspect --format '{{index .Config.Labels "k3d.x.atlas.cockroachdb.region"}}' "$node")
    say "    $region: psql 'postgresql://root@$address/$database?sslmode=verify-full&sslrootcert=$ATLAS_STATE/cockroachdb/ca.crt&sslcert=$ATLAS_STATE/cockroachdb/client.root.crt&sslkey=$ATLAS_STATE/cockroachdb/client.root.key'"
  done
done
if [[ $cloud == ansible ]]; then
  say "  Without IAM roles: Terraform gets hashicorp/aws neither from a mirror nor from its registry, so the playbook made"
  say "  the cloud side, without them. Name a filesystem mirror that has it in ATLAS_TERRAFORM_MIRROR, and run this again."
fi
say "make down takes it all away."
