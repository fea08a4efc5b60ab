# shellcheck shell=bash
# A kubectl to work with. Sourced after lib.sh.

# ensure_kubectl : sets ATLAS_KUBECTL: the machine's own, else the one that was built for the node image.
ensure_kubectl() {
  if [[ -z ${ATLAS_KUBECTL:-} ]]; then
    ATLAS_KUBECTL=$(command -v kubectl || find "$ATLAS_CACHE/trees" -path '*/go-kubernetes-*/kubectl' -print -quit)
  fi
  [[ -n $ATLAS_KUBECTL ]] || die "kubectl is missing. Install it: https://kubernetes.io/docs/tasks/tools/"
  export ATLAS_KUBECTL
}
