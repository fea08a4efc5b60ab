# shellcheck shell=bash
# The world's cloud side by Terraform: infrastructure/cloud, which needs hashicorp/aws beside the provider of this
# repository. Sourced after lib.sh and provider.sh.

# ensure_aws_provider : puts hashicorp/aws into a folder that Terraform can install it from, and sets
# ATLAS_TERRAFORM_MIRROR to it. It is taken from the mirror that this variable names, from a mirror in one of the
# usual places, else from wherever this machine's own Terraform takes its providers. Fails where there is none.
ensure_aws_provider() {
  local version hosts=("${ATLAS_REGISTRIES[@]}") host mirror folder
  version=$(sed -n '/"hashicorp\/aws"/,/}/s/^ *version *= *"\(.*\)"/\1/p' "$ATLAS_ROOT/infrastructure/cloud/providers.tf")
  if [[ $(basename "$ATLAS_TERRAFORM") == tofu* ]]; then hosts=(registry.opentofu.org registry.terraform.io); fi
  folder=$ATLAS_CACHE/trees/aws-provider-${hosts[0]}-$(printf %s "$version" | sha256sum | cut -c1-16)
  if [[ ! -d $folder/terraform/providers/${hosts[0]}/hashicorp/aws ]]; then
    mkdir -p "$folder"
    printf 'terraform {\n  required_providers {\n    aws = {\n      source  = "hashicorp/aws"\n      version = "%s"\n    }\n  }\n}\n' \
      "$version" >"$folder/versions.tf"
    mirror=
    for host in "${hosts[@]}"; do
      # A mirror holds the same files for either host.
      [[ -n $mirror ]] || mirror=$(find_mirror "$host/hashicorp/aws")
    done
    if [[ -n $mirror ]]; then link_mirror "$mirror" "$folder/mirror/${hosts[0]}/hashicorp/aws"; fi
    # In a condition, where bash goes on after failures: its last command is the one that may fail.
    step "get the provider hashicorp/aws $version" fetch_aws_provider "$folder" || return 1
  fi
  export ATLAS_TERRAFORM_MIRROR=$folder/terraform/providers
}

fetch_aws_provider() {
  local init=("$ATLAS_TERRAFORM" -chdir="$1" init -input=false -no-color)
  export TF_DATA_DIR=$1/terraform
  # One that does not exist is no one's wish.
  if [[ ! -f ${TF_CLI_CONFIG_FILE:-} ]]; then unset TF_CLI_CONFIG_FILE; fi
  # A mirror may lack the version.
  if [[ -d $1/mirror ]] && "${init[@]}" -plugin-dir="$1/mirror"; then return; fi
  "${init[@]}"
}

# with_aws FOLDER COMMAND... : Terraform in a folder of infrastructure that needs hashicorp/aws. What it installs is
# kept beside the world's state. Go collects garbage less often: hashicorp/aws is started several times for one plan, and
# spends a third of each start on that (measured).
with_aws() {
  local folder=$1
  shift
  TF_CLI_CONFIG_FILE=$ATLAS_STATE/cloud.rc TF_DATA_DIR=$ATLAS_STATE/terraform-$(basename "$folder") TF_IN_AUTOMATION=1 \
    GOGC=${GOGC:-400} "$ATLAS_TERRAFORM" -chdir="$ATLAS_ROOT/infrastructure/$folder" "$@"
}

# init_with_aws FOLDER : makes it ready. Terraform takes this repository's provider and hashicorp/aws from their mirrors.
init_with_aws() {
  local hosts=("${ATLAS_REGISTRIES[@]}")
  mirror_provider "$ATLAS_STATE/providers"
  {
    echo 'provider_installation {'
    installation filesystem_mirror include "$ATLAS_STATE/providers" "${hosts[@]/%//atlas-world/atlas}"
    installation filesystem_mirror include "$ATLAS_TERRAFORM_MIRROR" "${hosts[@]/%//hashicorp/aws}"
    echo '}'
  } >"$ATLAS_STATE/cloud.rc"
  fresh_init "$1" with_aws "$1"
}

# cloud_do COMMAND WORD... : Terraform's `plan` or `apply` of the cloud side.
cloud_do() {
  with_aws cloud "$1" -input=false -no-color "-state=$ATLAS_STATE/cloud.tfstate" -var "world=$ATLAS_WORLD" \
    -var "server_per_region=${ATLAS_SERVER_PER_REGION:-false}" "${@:2}"
}

# cloud_stopped : whether a server that Terraform knows does not run.
cloud_stopped() {
  local server
  [[ -s $ATLAS_STATE/cloud.tfstate ]] || return 1
  for server in $(world_names server); do
    grep -q "\"name\": \"$server\"" "$ATLAS_STATE/cloud.tfstate" || continue
    if [[ $(docker container inspect --format '{{.State.Status}}' "atlas-localstack-$server" 2>/dev/null) != running ]]; then
      return
    fi
  done
  return 1
}

# cloud_apply : servers that are known and do not run are started first, because hashicorp/aws cannot look at roles
# on a server that does not answer.
cloud_apply() {
  if cloud_stopped; then
    cloud_do apply -auto-approve -target=atlas_localstack.us -target=atlas_localstack.eu
  fi
  cloud_do apply -auto-approve
}
