# shellcheck shell=bash
# How embedded images are put together from package registries alone: Debian packages, Go modules and
# this repository's own Rust programs. Every part is cached by the hash of what it is made of.
# Sourced after scripts/lib.sh.
# shellcheck source=scripts/rust.sh
source "$ATLAS_ROOT/scripts/rust.sh"

# debian_tree NAME PACKAGE... : prints the path of a tar of a minimal Debian with these packages.
debian_tree() {
  local name=$1 hash tar tree
  shift
  hash=$(printf '%s\n' bookworm "$@" | sha256sum | cut -c1-16)
  tar=$ATLAS_CACHE/trees/debian-$name-$hash.tar
  if [[ ! -f $tar ]]; then
    tree=$(mktemp -d "$ATLAS_CACHE/trees/$name.XXXXXX")
    step "Debian packages for $name" debootstrap --variant=minbase \
      --include="$(IFS=,; echo "$*")" bookworm "$tree"
    rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{doc,man,locale,info}/* \
      "$tree"/var/log/*.log
    tar -C "$tree" -cf "$tar.new" .
    mv "$tar.new" "$tar"
    rm -rf "$tree"
  fi
  echo "$tar"
}

# go_programs NAME FOLDER LDFLAGS PACKAGE... : prints a folder with the programs, built from the
# modules that FOLDER/go.mod pins.
go_programs() {
  local name=$1 folder=$2 ldflags=$3 out
  shift 3
  # All that decides what comes out: pins, flags, packages, compiler.
  out=$ATLAS_CACHE/trees/go-$name-$({
    content_hash "$folder"
    printf '%s\n' "$ldflags" "$@"
    go env GOVERSION 2>/dev/null || echo "no Go"
  } | sha256sum | cut -c1-16)
  if [[ ! -d $out ]]; then
    have go || die "Go is needed to build the embedded images. Install it from https://go.dev/dl, or use ATLAS_IMAGES=published."
    rm -rf "$out.new"
    mkdir -p "$out.new"
    # Without a checksum database: the committed go.sum is what is trusted.
    (cd "$ATLAS_ROOT/$folder" && step "build $name" env CGO_ENABLED=0 GOFLAGS=-mod=readonly \
      go build -trimpath -ldflags "-s -w $ldflags" -o "$out.new/" "$@")
    mv "$out.new" "$out"
  fi
  echo "$out"
}

# image_is IMAGE HASH : whether the daemon has the image, made of these inputs.
image_is() {
  [[ $(docker image inspect --format '{{index .Config.Labels "atlas.inputs"}}' "$1" 2>/dev/null) == "$2" ]]
}

# inputs_hash PART... : one hash over parts; those in the cache count by name (which holds their hash),
# programs by content, paths of the repository by what git would keep.
inputs_hash() {
  local part
  for part in "$@"; do
    case $part in
      "$ATLAS_CACHE"/trees/*) basename "$part" ;;
      /*) sha256sum "$part" | cut -c1-64 ;;
      *) content_hash "$part" ;;
    esac
  done | sha256sum | cut -c1-16
}

# import_tree TREE IMAGE HASH CHANGE... : makes an image of a folder.
import_tree() {
  local tree=$1 image=$2 hash=$3 changes=()
  shift 3
  local change
  for change in "$@" "LABEL atlas.inputs=$hash"; do changes+=(--change "$change"); done
  local old
  old=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null) || old=
  tar -C "$tree" -c . | docker import "${changes[@]}" - "$image" >/dev/null
  # The one before, unless a container still uses it.
  if [[ -n $old ]]; then docker rmi "$old" >/dev/null 2>&1 || true; fi
}

# pod_image TREE IMAGE ARCHIVE CHANGE... : makes an image for pods and saves it as an archive.
pod_image() {
  local tree=$1 image=$2 archive=$3
  shift 3
  import_tree "$tree" "$image" pod "$@"
  docker save "$image" -o "$archive"
  docker rmi "$image" >/dev/null
}
