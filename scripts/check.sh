#!/usr/bin/env bash
# What needs no Docker. What is not on this machine is left out, and said; `make test` on a machine with everything leaves out
# nothing but advisories without a network.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/provider.sh
source "$ATLAS_ROOT/scripts/provider.sh"
# shellcheck source=scripts/setup/packages.sh
source "$ATLAS_ROOT/scripts/setup/packages.sh"
# shellcheck source=scripts/ansible.sh
source "$ATLAS_ROOT/scripts/ansible.sh"
# shellcheck source=scripts/cloud.sh
source "$ATLAS_ROOT/scripts/cloud.sh"

# The roots of Terraform, each valid with the provider as it is now.
validate_hcl() {
  local root mirror
  mirror=$(mktemp -d)
  cp "$CARGO_TARGET_DIR/debug/terraform-provider-atlas" "$mirror/terraform-provider-atlas"
  # Nothing of this is the world's.
  export ATLAS_STATE=$mirror ATLAS_PROVIDER_DIR=$mirror
  use_provider
  # In a copy, which leaves neither lock nor folder behind.
  mkdir "$mirror/copy"
  cp -r infrastructure orchestration examples "$mirror/copy/"
  for root in infrastructure/world infrastructure/cloud examples/*/main.tf; do
    root=${root%/main.tf}
    "$ATLAS_TERRAFORM" -chdir="$mirror/copy/$root" init -backend=false -input=false -no-color
    "$ATLAS_TERRAFORM" -chdir="$mirror/copy/$root" validate -no-color
  done
  rm -rf "$mirror"
}

# lint_charts HELM : the charts of gitops/.
lint_charts() {
  local chart
  for chart in gitops/charts/*; do "$1" lint --quiet "$chart"; done
}

# left_out WHAT WHY : says what is not checked.
left_out() { say "  - $1: left out, because $2"; }

say "Checks"
cd "$ATLAS_ROOT"
ensure_ansible requirements-test.txt
export ATLAS_ANSIBLE_PYTHON=$ATLAS_ANSIBLE/bin/python
tests_target
step "format" cargo fmt --all --check
step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
step "unit and property tests" cargo test --workspace --locked --exclude acceptance-tests
step "pages and examples" cargo test -p acceptance-tests --locked --test printed
step "build the provider for HCL" cargo build -p terraform-provider-atlas --locked
if ! have "$ATLAS_TERRAFORM"; then
  left_out "HCL" "there is no Terraform"
else
  step "format of HCL" "$ATLAS_TERRAFORM" fmt -check -recursive infrastructure examples provider/examples
  if ensure_aws_provider; then
    step "HCL is valid" validate_hcl
  else
    left_out "validity of HCL" "Terraform gets hashicorp/aws neither from a mirror nor from its registry"
  fi
fi
helm=$(command -v helm || find "$ATLAS_CACHE/bin" -name 'helm-v*' -print -quit)
if [[ -n $helm ]]; then step "charts" lint_charts "$helm"; else left_out "charts" "there is no helm"; fi
if have shellcheck; then
  step "scripts" shellcheck --external-sources scripts/*.sh scripts/setup/*.sh embedded/*.sh
else
  left_out "scripts" "there is no shellcheck"
fi
if cargo deny --version >/dev/null 2>&1; then
  step "licences, bans and sources" cargo deny --offline check licenses bans sources
  cargo deny check advisories >/dev/null 2>&1 || left_out "advisories" "their database could not be fetched, or it has some: cargo deny check advisories"
else
  left_out "licences and advisories" "there is no cargo-deny (cargo install cargo-deny)"
fi
