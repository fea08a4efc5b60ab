# shellcheck shell=bash
# The collection atlas.world, with the modules' binary for this machine in it. Sourced after lib.sh.

# build_collection : builds the binary, puts it into the collection, and sets ANSIBLE_COLLECTIONS_PATH so
# that Ansible finds the collection of this checkout, then those beside Ansible itself.
build_collection() {
  local triple target=$ATLAS_ROOT/target/static binary
  triple=$(rustc -vV | awk '/^host:/ {print $2}')
  # Linked statically, so that it runs on any host of this architecture, whatever its libraries.
  (cd "$ATLAS_ROOT" && step "build the Ansible modules" env CARGO_TARGET_DIR="$target" \
    RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --profile module --locked --target "$triple" -p atlas-ansible)
  binary=$target/$triple/module/atlas-ansible
  ATLAS_MODULE=$ATLAS_ROOT/ansible-module/collection/native/atlas_$(uname -m)
  export ATLAS_MODULE
  mkdir -p "$(dirname "$ATLAS_MODULE")"
  # By rename: a playbook that runs may be reading the one before.
  cmp -s "$binary" "$ATLAS_MODULE" || { cp "$binary" "$ATLAS_MODULE.new" && mv "$ATLAS_MODULE.new" "$ATLAS_MODULE"; }
  mkdir -p "$ATLAS_STATE/collections/ansible_collections/atlas"
  ln -sfn "$ATLAS_ROOT/ansible-module/collection" "$ATLAS_STATE/collections/ansible_collections/atlas/world"
  export ANSIBLE_COLLECTIONS_PATH=$ATLAS_STATE/collections:$ATLAS_ANSIBLE/collections
}

# pack_collection FOLDER : puts the collection's tarball there.
pack_collection() {
  "$ATLAS_ANSIBLE/bin/ansible-galaxy" collection build --force --output-path "$1" "$ATLAS_ROOT/ansible-module/collection"
}
