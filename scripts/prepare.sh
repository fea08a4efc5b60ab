# shellcheck shell=bash
# What the world is made with: Docker, images, programs, Terraform's providers, Ansible. Sourced after lib.sh.
# shellcheck source=scripts/progress.sh
source "$ATLAS_ROOT/scripts/progress.sh"
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

# What programs and images are made of.
ATLAS_SOURCES=(Cargo.toml Cargo.lock ansible-module cli crates embedded provider services)

# built_mark : a file that is there where exactly these sources were built before. Git tells fast what has changed.
built_mark() {
  local hash
  hash=$({
    git -C "$ATLAS_ROOT" ls-tree HEAD -- "${ATLAS_SOURCES[@]}"
    git -C "$ATLAS_ROOT" diff HEAD -- "${ATLAS_SOURCES[@]}"
  } | sha256sum | cut -c1-16)
  echo "$ATLAS_TIMES/built-$hash"
}

# expect_preparation : announces the stages of `prepare`.
expect_preparation() {
  expect setup "$ATLAS_TIMES/setup-first" 20 2
  expect images "$(built_mark)" 900 15
  expect programs "$(built_mark)" 60 5
  expect aws-provider "$ATLAS_TIMES/aws-provider-first" 30 2
  expect ansible "$ATLAS_TIMES/ansible-first" 60 3
}

# prepare : gets all of it ready, and sets `cloud` to who makes the cloud side: terraform, or ansible where Terraform
# cannot get hashicorp/aws.
prepare() {
  local images
  stage "set-up"
  "$ATLAS_ROOT/scripts/setup.sh"
  stage "images"
  images=$("$ATLAS_ROOT/scripts/images.sh")
  while IFS= read -r line; do export "${line?}"; done <<<"$images"
  stage "programs: provider, modules, atlas"
  build_provider
  put_program atlas "$ATLAS_STATE/bin/atlas"
  rm -f "$ATLAS_TIMES"/built-*
  : >"$(built_mark)"
  use_provider
  stage "Terraform's provider hashicorp/aws"
  cloud=terraform
  ensure_aws_provider || cloud=ansible
  export cloud
  stage "Ansible"
  ensure_ansible requirements.txt
  build_collection
  ensure_kubectl
  write_environment
}
