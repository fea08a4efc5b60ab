#!/usr/bin/env bash
# The same set-up as for the world, then every test. With `opentofu` as argument: the acceptance tests
# alone, with OpenTofu instead of Terraform.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/setup/packages.sh
source "$ATLAS_ROOT/scripts/setup/packages.sh"
# shellcheck source=scripts/provider.sh
source "$ATLAS_ROOT/scripts/provider.sh"
# shellcheck source=scripts/ansible.sh
source "$ATLAS_ROOT/scripts/ansible.sh"
# shellcheck source=scripts/collection.sh
source "$ATLAS_ROOT/scripts/collection.sh"
# shellcheck source=scripts/kubectl.sh
source "$ATLAS_ROOT/scripts/kubectl.sh"
# shellcheck source=scripts/cloud.sh
source "$ATLAS_ROOT/scripts/cloud.sh"

say "Set-up"
"$ATLAS_ROOT/scripts/setup.sh"
say "Images"
images=$(ATLAS_IMAGES=${ATLAS_IMAGES:-embedded} "$ATLAS_ROOT/scripts/images.sh")
while IFS= read -r line; do export "${line?}"; done <<<"$images"
"$ATLAS_ROOT/embedded/tools/build.sh"
"$ATLAS_ROOT/embedded/k3d-cli/build.sh"
export ATLAS_K3D_583=$ATLAS_CACHE/bin/k3d-v5.8.3 ATLAS_K3D_590=$ATLAS_CACHE/bin/k3d-v5.9.0
if [[ ${1:-} == opentofu ]]; then
  ATLAS_TERRAFORM=$("$ATLAS_ROOT/embedded/opentofu/build.sh")
else
  ATLAS_TERRAFORM=${ATLAS_TERRAFORM:-terraform}
fi
export ATLAS_TERRAFORM
# The tests drive what ships.
build_provider
export ATLAS_PROVIDER=$ATLAS_PROVIDER_DIR/terraform-provider-atlas
# Not in .atlas/bin, where it would say that there is a world.
export ATLAS_CLI=$ATLAS_ROOT/target/cli/atlas
put_program atlas "$ATLAS_CLI"
ensure_aws_provider ||
  die "hashicorp/aws is needed for the tests of the cloud side. Name a filesystem mirror that has it in ATLAS_TERRAFORM_MIRROR."
ensure_kubectl
say "Ansible"
ensure_ansible requirements-test.txt
export ATLAS_ANSIBLE_PYTHON=$ATLAS_ANSIBLE/bin/python
build_collection

say "Tests"
cd "$ATLAS_ROOT"
tests_target
own_builds "$ATLAS_CACHE/peer"
if [[ ${1:-} != opentofu ]]; then
  scripts/check.sh
  scripts/check-collection.sh
fi
# Mostly waiting for clusters: three at a time keep two cores busy.
cargo test -p acceptance-tests --locked -- --test-threads="${ATLAS_TEST_THREADS:-3}"
