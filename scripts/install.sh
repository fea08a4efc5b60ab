#!/usr/bin/env bash
# Installs for good what `make world` uses from this checkout: the provider into the folder where Terraform and OpenTofu look
# for providers without any configuration, and the collection where Ansible looks for collections.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/provider.sh
source "$ATLAS_ROOT/scripts/provider.sh"
# shellcheck source=scripts/setup/packages.sh
source "$ATLAS_ROOT/scripts/setup/packages.sh"
# shellcheck source=scripts/ansible.sh
source "$ATLAS_ROOT/scripts/ansible.sh"
# shellcheck source=scripts/collection.sh
source "$ATLAS_ROOT/scripts/collection.sh"

# install_atlas : installs both. Tests source this file, and call it with programs of theirs.
install_atlas() {
  local plugins=$HOME/.terraform.d/plugins collections=${ANSIBLE_HOME:-$HOME/.ansible}/collections packed
  build_provider
  mirror_provider "$plugins"
  ensure_ansible requirements.txt
  build_collection
  packed=$(mktemp -d)
  # shellcheck disable=SC2064 # The folder is this function's alone.
  trap "rm -rf '$packed'" EXIT
  pack_collection "$packed" >/dev/null
  "$ATLAS_ANSIBLE/bin/ansible-galaxy" collection install --offline --force \
    --collections-path "$collections" "$packed"/*.tar.gz >/dev/null
  say "Installed $("$ATLAS_PROVIDER_DIR/terraform-provider-atlas" --version):"
  say "  the provider in $plugins, where terraform init and tofu init find it;"
  say "  the collection atlas.world in $collections."
  say "A lock file that knows an earlier build refuses this one: remove the block atlas-world/atlas from .terraform.lock.hcl."
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then install_atlas; fi
