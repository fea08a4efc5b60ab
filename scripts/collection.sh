# shellcheck shell=bash
# The collection atlas.world, with the modules' binary for this machine in it. Sourced after lib.sh.
# shellcheck source=scripts/rust.sh
source "$ATLAS_ROOT/scripts/rust.sh"

# build_collection : builds the binary, puts it into the collection, and sets ANSIBLE_COLLECTIONS_PATH so
# that Ansible finds the collection of this checkout, then those beside Ansible itself.
build_collection() {
  ATLAS_MODULE=$ATLAS_ROOT/ansible-module/collection/native/atlas_$(uname -m)
  export ATLAS_MODULE
  put_program atlas-ansible "$ATLAS_MODULE"
  mkdir -p "$ATLAS_STATE/collections/ansible_collections/atlas"
  ln -sfn "$ATLAS_ROOT/ansible-module/collection" "$ATLAS_STATE/collections/ansible_collections/atlas/world"
  export ANSIBLE_COLLECTIONS_PATH=$ATLAS_STATE/collections:$ATLAS_ANSIBLE/collections
}

# pack_collection FOLDER : puts the collection's tarball there.
pack_collection() {
  "$ATLAS_ANSIBLE/bin/ansible-galaxy" collection build --force --output-path "$1" "$ATLAS_ROOT/ansible-module/collection"
}
