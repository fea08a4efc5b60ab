#!/usr/bin/env bash
# Builds the images that Argo CD's official manifest asks for: atlas/argocd and atlas/redis. Prints where
# that manifest lies, as `NAME=VALUE`.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"

version=v3.2.1
# What Argo CD's own hack/tool-versions.sh names for this version.
helm_version=v3.18.4
kustomize_version=v5.7.0
# manifests/install.yaml of that version, the same file that the project's release page points to.
manifest_sha256=a5e687d4e38edc603a67e45316087fe89a06603be9de908b07ab0afe98352c61

argocd_image=atlas/argocd:$version
redis_image=atlas/redis:7.0
manifest=$ATLAS_CACHE/trees/argocd-install-$version.yaml
# Scripts of the published image, from the same module.
scripts=$ATLAS_CACHE/trees/argocd-scripts-$version

# The manifest and the scripts are in the module's archive, which Go checks against go.sum.
from_module() {
  local module name=github.com/argoproj/argo-cd/v3
  cd "$ATLAS_ROOT/embedded/argocd/argocd" || return
  go mod download "$name" && module=$(go list -mod=readonly -m -f '{{.Dir}}' "$name") || return
  rm -rf "$scripts" "$scripts.new"
  mkdir -p "$scripts.new"
  install -m 0755 "$module"/entrypoint.sh "$module"/hack/{gpg-wrapper,git-verify-wrapper}.sh "$scripts.new/" || return
  install -m 0644 "$module/manifests/install.yaml" "$manifest.new" || return
  if ! echo "$manifest_sha256  $manifest.new" | sha256sum --check --status; then
    echo "manifests/install.yaml of Argo CD $version is not the one that is pinned."
    return 1
  fi
  mv "$scripts.new" "$scripts" && mv "$manifest.new" "$manifest"
}

build_argocd() {
  local packages=(ca-certificates connect-proxy git git-lfs gpg gpg-agent openssh-client tini tzdata)
  local debian argocd helm kustomize inputs common=github.com/argoproj/argo-cd/v3/common
  debian=$(debian_tree argocd "${packages[@]}")
  # A version without a commit would be printed as v3.2.1+unknown.
  argocd=$(go_programs "argocd-$version" embedded/argocd/argocd \
    "-X $common.version=${version#v} -X $common.gitTag=$version -X $common.gitTreeState=clean
     -X $common.gitCommit=$version" github.com/argoproj/argo-cd/v3/cmd)
  # What charts are told of Kubernetes where nobody says it: 1.33, of which Helm's client library is.
  helm=$(go_programs "helm-$helm_version" embedded/argocd/helm \
    "-X helm.sh/helm/v3/internal/version.version=$helm_version
     -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=33
     -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=33" \
    helm.sh/helm/v3/cmd/helm)
  kustomize=$(go_programs "kustomize-$kustomize_version" embedded/argocd/kustomize \
    "-X sigs.k8s.io/kustomize/api/provenance.version=$kustomize_version" \
    sigs.k8s.io/kustomize/kustomize/v5)
  # For people, and for tests of charts.
  install -m 0755 "$helm/helm" "$ATLAS_CACHE/bin/helm-$helm_version"
  ln -sfn "$argocd/cmd" "$ATLAS_CACHE/bin/argocd-$version"
  inputs=$(inputs_hash "$debian" "$argocd" "$helm" "$kustomize" "$scripts" embedded/argocd/build.sh)
  image_is "$argocd_image" "$inputs" && return

  tree=$(mktemp -d "$ATLAS_CACHE/trees/argocd.XXXXXX")
  trap 'rm -rf "$tree"' EXIT
  step "assemble $argocd_image" assemble_argocd "$debian" "$argocd/cmd" "$helm/helm" "$kustomize/kustomize"
  step "import $argocd_image" import_tree "$tree" "$argocd_image" "$inputs" \
    'USER 999' 'WORKDIR /home/argocd' 'ENV USER=argocd' 'ENV ARGOCD_USER_ID=999' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    'ENTRYPOINT ["/usr/bin/tini", "--"]'
  rm -rf "$tree"
}

# The steps of the published image's Dockerfile.
assemble_argocd() {
  local debian=$1 argocd=$2 helm=$3 kustomize=$4 bin=$tree/usr/local/bin name
  extract "$debian"
  add_user argocd /home/argocd
  install -d -m 0775 -o 999 -g 0 "$tree/home/argocd"
  install -m 0755 "$argocd" "$bin/argocd"
  install -m 0755 "$helm" "$bin/helm"
  install -m 0755 "$kustomize" "$bin/kustomize"
  install -m 0755 "$scripts"/* "$bin/"
  ln -s /usr/local/bin/entrypoint.sh "$bin/uid_entrypoint.sh"
  # One program, which looks at the name that it is called by.
  for name in server repo-server cmp-server application-controller dex notifications \
    applicationset-controller k8s-auth commit-server; do
    ln -s /usr/local/bin/argocd "$bin/argocd-$name"
  done
  mkdir -p "$tree"/app/config/{ssh,tls,gpg/source} "$tree/etc/ssh"
  install -d -m 0700 -o 999 -g 0 "$tree/app/config/gpg/keys"
  touch "$tree/app/config/ssh/ssh_known_hosts"
  ln -sf /app/config/ssh/ssh_known_hosts "$tree/etc/ssh/ssh_known_hosts"
  # What is missing shows here and not in a pod.
  for name in argocd-server argocd-repo-server helm kustomize git gpg ssh tini entrypoint.sh; do
    chroot "$tree" sh -c "command -v $name" || return
  done
  chroot --userspec=999:999 "$tree" argocd version --client --short
}

build_redis() {
  local debian inputs
  debian=$(debian_tree redis redis-server)
  inputs=$(inputs_hash "$debian" embedded/argocd/redis-entrypoint embedded/argocd/build.sh)
  image_is "$redis_image" "$inputs" && return

  tree=$(mktemp -d "$ATLAS_CACHE/trees/redis.XXXXXX")
  trap 'rm -rf "$tree"' EXIT
  step "assemble $redis_image" assemble_redis "$debian"
  step "import $redis_image" import_tree "$tree" "$redis_image" "$inputs" \
    'WORKDIR /data' 'VOLUME /data' 'EXPOSE 6379' 'ENTRYPOINT ["redis-entrypoint"]' 'CMD ["redis-server"]' \
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

assemble_redis() {
  extract "$1"
  # Debian gives the user another number from machine to machine; the published image's is 999.
  sed -i '/^redis:/d' "$tree"/etc/{passwd,group,shadow,gshadow}
  add_user redis /data
  install -d -m 0755 -o 999 -g 999 "$tree/data"
  install -m 0755 "$ATLAS_ROOT/embedded/argocd/redis-entrypoint" "$tree/usr/local/bin/redis-entrypoint"
  chroot "$tree" redis-server --version
}

# Folders by mktemp are closed to all but their owner; these become the root of an image whose user is not.
extract() {
  tar -C "$tree" -xf "$1"
  chmod 0755 "$tree"
}

# add_user NAME HOME : a user and a group, both with number 999.
add_user() {
  echo "$1:x:999:999::$2:/usr/sbin/nologin" >>"$tree/etc/passwd"
  echo "$1:x:999:" >>"$tree/etc/group"
}

have go || die "Go is needed to build the embedded images. Install it from https://go.dev/dl, or use ATLAS_IMAGES=published."
[[ -f $manifest && -d $scripts ]] || step "Argo CD's manifest" from_module
build_argocd
build_redis
echo "ATLAS_ARGOCD_MANIFEST=$manifest"
