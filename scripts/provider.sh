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

# Terraform's registry and OpenTofu's, under whose names a mirror has its providers.
ATLAS_REGISTRIES=(registry.terraform.io registry.opentofu.org)

build_provider() { put_program terraform-provider-atlas "$ATLAS_PROVIDER_DIR/terraform-provider-atlas"; }

# mirror_provider FOLDER : puts the provider that was built into a filesystem mirror, in the registry's layout, from which
# `terraform init` and `tofu init` install it like any other.
mirror_provider() {
  local built=$ATLAS_PROVIDER_DIR/terraform-provider-atlas version platform host
  version=$("$built" --version)
  version=${version##* }
  platform=linux_$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
  for host in "${ATLAS_REGISTRIES[@]}"; do
    put_file "$built" "$1/$host/atlas-world/atlas/$version/$platform/terraform-provider-atlas_v$version"
  done
}

# find_mirror PROVIDER : the provider's folder in a filesystem mirror: Terraform's own usual places and those of
# images that bring one along.
find_mirror() {
  local place
  for place in ${ATLAS_TERRAFORM_MIRROR:+"$ATLAS_TERRAFORM_MIRROR"} "$HOME/.terraform.d/plugins" \
    "${XDG_DATA_HOME:-$HOME/.local/share}/terraform/plugins" /usr/local/share/terraform/plugins \
    /usr/share/terraform/plugins /opt/*; do
    if [[ -d $place/$1 ]]; then
      echo "$place/$1"
      return
    fi
  done
}

# link_mirror FROM TO : the packages of one provider, under another host's name. Terraform follows links to
# packages and not to folders above them.
link_mirror() {
  local version platform
  mkdir -p "$2"
  for version in "$1"/*; do
    if [[ ! -d $version ]]; then
      ln -sfn "$version" "$2/"
      continue
    fi
    mkdir -p "$2/$(basename "$version")"
    for platform in "$version"/*; do ln -sfn "$platform" "$2/$(basename "$version")/"; done
  done
}

# use_provider : a CLI configuration that takes the provider from a mirror beside the world's state, hashicorp/aws too where
# this machine has a mirror of it, and all others from where they usually come.
use_provider() {
  local hosts=("${ATLAS_REGISTRIES[@]}") host aws='' mirrored
  mirrored=("${hosts[@]/%//atlas-world/atlas}")
  mirror_provider "$ATLAS_STATE/providers"
  # A mirror holds the same files for either host.
  for host in "${hosts[@]}"; do [[ -n $aws ]] || aws=$(find_mirror "$host/hashicorp/aws"); done
  if [[ -n $aws ]]; then
    for host in "${hosts[@]}"; do link_mirror "$aws" "$ATLAS_STATE/providers/$host/hashicorp/aws"; done
    mirrored+=("${hosts[@]/%//hashicorp/aws}")
  fi
  {
    echo 'provider_installation {'
    installation filesystem_mirror include "$ATLAS_STATE/providers" "${mirrored[@]}"
    installation direct exclude '' "${mirrored[@]}"
    echo '}'
  } >"$ATLAS_STATE/terraform.rc"
  export TF_CLI_CONFIG_FILE=$ATLAS_STATE/terraform.rc
}

# installation METHOD include|exclude FOLDER PROVIDER... : a way to install providers, as the CLI configuration spells it.
installation() {
  local method=$1 which=$2 folder=$3 listed
  shift 3
  listed=$(printf '"%s", ' "$@")
  echo "  $method {"
  [[ -z $folder ]] || echo "    path    = \"$folder\""
  printf '    %-7s = [%s]\n  }\n' "$which" "${listed%, }"
}

# fresh_init FOLDER COMMAND... : Terraform's `init` by COMMAND in a folder of infrastructure, with a lock of its own: what was built since the last one has another checksum, and the same
# version.
fresh_init() {
  rm -f "$ATLAS_ROOT/infrastructure/$1/.terraform.lock.hcl"
  shift
  "$@" init -input=false -no-color
}

# terraform COMMAND... in the world's folder, with its state beside it in .atlas.
world_terraform() {
  TF_DATA_DIR=$ATLAS_STATE/terraform TF_IN_AUTOMATION=1 "$ATLAS_TERRAFORM" \
    -chdir="$ATLAS_ROOT/infrastructure/world" "$@"
}

# world_do COMMAND WORD... : the same for what plans: `plan`, `apply`, `destroy`.
world_do() {
  fresh_init world world_terraform >/dev/null &&
    world_terraform "$1" -input=false -no-color -state="$ATLAS_STATE/world.tfstate" \
      -var "kubeconfig_folder=$ATLAS_STATE" -var "world=$ATLAS_WORLD" "${@:2}"
}

world_apply() { world_do apply -auto-approve; }

world_destroy() { world_do destroy -auto-approve; }

# world_containers : the names of all containers of the world, running or not, a line each.
world_containers() {
  local cluster server
  for cluster in $(world_names cluster world_regions); do
    docker ps -a --filter "label=k3d.cluster=$cluster" --format '{{.Names}}' | sort
  done
  for server in $(world_names server); do
    docker ps -a --filter "label=k3d.x.atlas.localstack=$server" --format '{{.Names}}' | sort
  done
  for cluster in $(world_names cluster world_cockroachdb); do
    docker ps -a --filter "label=k3d.x.atlas.cockroachdb=$cluster" --format '{{.Names}}' | sort
  done
}

# world_names KEY [PART] : the values that the description gives to a key (`cluster`, `network`, `name`), a line each;
# with a part (`world_regions`), only within that.
world_names() {
  awk -v key="$1:" -v part="${2:+$2:}" '/^[^ #]/ { here = part == "" || $1 == part } here && $1 == key { print $2 }' "$ATLAS_WORLD"
}
