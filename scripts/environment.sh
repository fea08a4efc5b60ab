# shellcheck shell=bash
# What a shell needs to work with the world by hand. Sourced after lib.sh, once images, provider, Ansible and collection are
# there.

# write_environment : writes .atlas/env, which a shell sources, and puts the programs that go with it into .atlas/bin.
write_environment() {
  local cluster kubeconfigs=() name
  mkdir -p "$ATLAS_STATE/bin"
  link_tool kubectl "$ATLAS_KUBECTL"
  link_tool terraform "$ATLAS_TERRAFORM"
  link_tool k3d k3d "$ATLAS_CACHE"/bin/k3d-v*
  link_tool helm helm "$ATLAS_CACHE"/bin/helm-v*
  link_tool argocd argocd "$ATLAS_CACHE"/bin/argocd-v*
  for name in ansible ansible-doc ansible-galaxy ansible-inventory ansible-playbook; do
    link_tool "$name" "$ATLAS_ANSIBLE/bin/$name"
  done
  for cluster in $(world_names cluster world_regions); do kubeconfigs+=("$ATLAS_STATE/$cluster.yaml"); done
  {
    echo "# The environment of the world in this folder. In bash or zsh: source $ATLAS_STATE/env"
    # shellcheck disable=SC2016 # for the shell that sources it
    printf 'export PATH=%q:$PATH\n' "$ATLAS_STATE/bin"
    setting TF_CLI_CONFIG_FILE "$ATLAS_STATE/terraform.rc"
    setting ANSIBLE_COLLECTIONS_PATH "$ANSIBLE_COLLECTIONS_PATH"
    echo "# Read by the playbooks in orchestration/, by provider and modules."
    for name in STATE KUBECTL {NODE,LOADBALANCER,LOCALSTACK,REPLICATOR,COCKROACHDB}_IMAGE SERVER_PER_REGION ARGOCD_MANIFEST; do
      name=ATLAS_$name
      [[ -z ${!name:-} ]] || setting "$name" "${!name}"
    done
    setting KUBECONFIG "$(IFS=: && echo "${kubeconfigs[*]}")"
    echo "# LocalStack takes any. Named here so that the keys of a real account never reach it."
    setting AWS_ACCESS_KEY_ID test
    setting AWS_SECRET_ACCESS_KEY test
    setting AWS_REGION us-east-1
    echo "# The database's root, for psql and whatever else uses libpq."
    setting PGUSER root
    setting PGSSLMODE verify-full
    setting PGSSLROOTCERT "$ATLAS_STATE/cockroachdb/ca.crt"
    setting PGSSLCERT "$ATLAS_STATE/cockroachdb/client.root.crt"
    setting PGSSLKEY "$ATLAS_STATE/cockroachdb/client.root.key"
  } >"$ATLAS_STATE/env.new"
  mv "$ATLAS_STATE/env.new" "$ATLAS_STATE/env"
}

# setting NAME VALUE : a line that a shell sources.
setting() { printf 'export %s=%q\n' "$1" "$2"; }

# link_tool NAME CANDIDATE... : links the first candidate that is a program: the machine's own by its name, or one that was
# built. Where there is none, the name is left out.
link_tool() {
  local name=$1 candidate found
  shift
  for candidate in "$@"; do
    found=$(PATH=${PATH//"$ATLAS_STATE/bin:"/} command -v "$candidate") || continue
    ln -sfn "$found" "$ATLAS_STATE/bin/$name"
    return
  done
}
