#!/usr/bin/env bash
# What `make world` would change: Terraform's plans, then the playbook in check mode. Changes nothing of the world; what
# is needed to ask is built, as for the world.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/prepare.sh
source "$ATLAS_ROOT/scripts/prepare.sh"

require_state
expect_preparation
expect plan-world "$ATLAS_STATE/world.tfstate" 3 8
expect plan-cloud "$ATLAS_STATE/cloud.tfstate" 5 10
expect plan-playbook "$ATLAS_STATE/argocd-password" 15 25
prepare

stage "clusters, bridge and database: terraform plan in infrastructure/world"
world_do plan
stage "the cloud side: terraform plan in infrastructure/cloud"
if [[ $cloud == ansible ]]; then
  say "  - left to the playbook: Terraform gets hashicorp/aws neither from a mirror nor from its registry"
elif cloud_stopped; then
  say "  - a LocalStack server does not run. make world starts it; until then nobody can ask what is in it."
else
  step "get its providers ready" init_with_aws cloud
  cloud_do plan
fi
stage "what is left, and Argo CD: ansible-playbook --check --diff site.yml"
if [[ -s $ATLAS_STATE/world.tfstate ]]; then
  run_playbook site.yml --check --diff
else
  say "  - no world was made from here yet: the playbook would deploy all of gitops/ with Argo CD"
fi
end_stage
