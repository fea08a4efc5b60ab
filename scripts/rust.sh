# shellcheck shell=bash
# This repository's own programs, for images, Terraform and Ansible. Sourced after lib.sh.

# own_builds FOLDER : makes a folder of builds in the cache this checkout's own. Cargo compares times and not contents:
# what another checkout built after a file here was changed would pass for up to date. What the workspace depends on stays.
own_builds() {
  local marker=$1/checkout name
  mkdir -p "$1"
  (
    flock 9
    [[ ! -f $marker || $(<"$marker") != "$ATLAS_ROOT" ]] || return 0
    while read -r name; do
      find "$1" -type d -path "*/.fingerprint/$name-*" -prune -exec rm -rf {} +
    done < <(cd "$ATLAS_ROOT" && git ls-files -z '*Cargo.toml' | xargs -0 sed -n 's/^name = "\(.*\)"/\1/p')
    echo "$ATLAS_ROOT" >"$marker"
  ) 9>"$1/lock"
}

# static_programs TEXT PACKAGE... : builds programs of this workspace, linked statically so that they run on any host
# and in any image of this architecture (glibc looks up names by files and DNS without a library). Prints their folder.
static_programs() {
  local text=$1 target=$ATLAS_CACHE/rust triple package packages=()
  shift
  for package in "$@"; do packages+=(-p "$package"); done
  triple=$(rustc -vV | awk '/^host:/ {print $2}')
  own_builds "$target"
  (cd "$ATLAS_ROOT" && step "$text" env CARGO_TARGET_DIR="$target" RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --release --locked --target "$triple" "${packages[@]}")
  echo "$target/$triple/release"
}

# rust_program BINARY : prints the path of a program that ships. All of these are built by one cargo run: what several
# need is compiled once, and with the same features.
rust_program() {
  local folder
  folder=$(static_programs "build the programs" terraform-provider-atlas atlas-ansible atlas-cli atlas-replicator \
    node-supervisor loadbalancer-supervisor)
  echo "$folder/$1"
}

# put_file FROM TO : copies where it differs; by rename, because the one before may be running.
put_file() {
  mkdir -p "$(dirname "$2")"
  cmp -s "$1" "$2" || { cp "$1" "$2.new" && mv "$2.new" "$2"; }
}

# put_program BINARY FILE : builds it and puts it there.
put_program() {
  local built
  built=$(rust_program "$1")
  put_file "$built" "$2"
}

# tests_target : has cargo build tests in the cache: most of it is what the workspace depends on, which the next checkout needs
# too. Every version of that adds to it, so it begins anew when it has grown.
tests_target() {
  export CARGO_TARGET_DIR=$ATLAS_CACHE/tests CARGO_INCREMENTAL=0
  # An error tells its causes. Where it was made in the tests' code only pushes them out of view.
  export RUST_LIB_BACKTRACE=0
  mkdir -p "$CARGO_TARGET_DIR"
  if (($(du -sm "$CARGO_TARGET_DIR" | cut -f1) > 8000)); then rm -rf "$CARGO_TARGET_DIR"; fi
  own_builds "$CARGO_TARGET_DIR"
}
