#!/usr/bin/env bash
# Builds the modules' binary for this architecture, and the collection's tarball with it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/setup/packages.sh
source "$ATLAS_ROOT/scripts/setup/packages.sh"
# shellcheck source=scripts/ansible.sh
source "$ATLAS_ROOT/scripts/ansible.sh"
# shellcheck source=scripts/collection.sh
source "$ATLAS_ROOT/scripts/collection.sh"

ensure_ansible requirements.txt
build_collection
pack_collection "$ATLAS_ROOT/target"
