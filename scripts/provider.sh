# shellcheck shell=bash
# The provider, built and put where Terraform finds it. Sourced after lib.sh.
# shellcheck source=scripts/rust.sh
source "$ATLAS_ROOT/scripts/rust.sh"

# The Terraform (or OpenTofu) command.
ATLAS_TERRAFORM=${ATLAS_TERRAFORM:-$(command -v terraform || command -v tofu || echo terraform)}
export ATLAS_TERRAFORM
ATLAS_PROVIDER_DIR=${ATLAS_PROVIDER_DIR:-$ATLAS_ROOT/target/provider}
export ATLAS_PROVIDER_DIR
# The description of the world, which Ansible reads too. Tests have one of their own.
ATLAS_WORLD=${ATLAS_WORLD:-$ATLAS_ROOT/orchestration/group_vars/all/world.yml}
export ATLAS_WORLD

build_provider() { put_program terraform-provider-atlas "$ATLAS_PROVIDER_DIR/terraform-provider-atlas"; }

# A CLI configuration that takes the provider from the build folder and all others from where they
# usually come. With an override, `init` has nothing to fetch for the world.
use_provider() {
  cat >"$ATLAS_STATE/terraform.rc" <<RC
provider_installation {
  dev_overrides {
    "registry.terraform.io/atlas-world/atlas" = "$ATLAS_PROVIDER_DIR"
    "registry.opentofu.org/atlas-world/atlas" = "$ATLAS_PROVIDER_DIR"
  }
  direct {}
}
RC
  export TF_CLI_CONFIG_FILE=$ATLAS_STATE/terraform.rc
}

# terraform COMMAND... in the world's folder, with its state beside it in .atlas.
world_terraform() {
  TF_DATA_DIR=$ATLAS_STATE/terraform TF_IN_AUTOMATION=1 "$ATLAS_TERRAFORM" \
    -chdir="$ATLAS_ROOT/infrastructure/world" "$@"
}

world_apply() {
  world_terraform apply -input=false -auto-approve -state="$ATLAS_STATE/world.tfstate" \
    -var "kubeconfig_folder=$ATLAS_STATE" -var "world=$ATLAS_WORLD"
}

world_destroy() {
  world_terraform destroy -input=false -auto-approve -state="$ATLAS_STATE/world.tfstate" \
    -var "kubeconfig_folder=$ATLAS_STATE" -var "world=$ATLAS_WORLD"
}

# world_names KEY [PART] : the values that the description gives to a key (`cluster`, `network`, `name`), a line each;
# with a part (`world_regions`), only within that.
world_names() {
  awk -v key="$1:" -v part="${2:+$2:}" '/^[^ #]/ { here = part == "" || $1 == part } here && $1 == key { print $2 }' "$ATLAS_WORLD"
}
