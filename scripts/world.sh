#!/usr/bin/env bash
# From a clone to a running world. Safe to run again: what is as declared is left alone.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/prepare.sh
source "$ATLAS_ROOT/scripts/prepare.sh"

require_state
ATLAS_LOG=$ATLAS_CACHE/logs/world.log
export ATLAS_LOG
: >"$ATLAS_LOG"
say "All output is kept in $ATLAS_LOG."
expect_preparation
expect world "$ATLAS_STATE/world.tfstate" 100 10
expect cloud "$ATLAS_STATE/cloud.tfstate" 30 12
expect playbook "$ATLAS_STATE/argocd-password" 120 25
expect status "$ATLAS_STATE" 2 2
prepare

# What Terraform says at the end, without its plan.
outcome='^(Plan: |No changes\.|Apply complete!)'
stage "clusters, bridge and database, by Terraform"
step_showing "$outcome" "terraform apply in infrastructure/world" world_apply
stage "the cloud side, by Terraform"
if [[ $cloud == terraform ]]; then
  step "get its providers ready" init_with_aws cloud
  step_showing "$outcome" "terraform apply in infrastructure/cloud" cloud_apply
else
  say "  - left to the playbook: Terraform gets hashicorp/aws neither from a mirror nor from its registry"
fi
stage "what is left, and Argo CD, by Ansible"
step_showing ' : ok=[0-9]' "ansible-playbook site.yml" run_playbook site.yml
stage "how it is"
end_stage
say
# What was applied is applied, whatever it says.
"$ATLAS_ROOT/scripts/status.sh" || say "Everything was applied, and not all is well yet. make status asks again."
say "make status tells this again, make logs what the containers say; make down takes it all away."
