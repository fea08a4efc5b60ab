#!/usr/bin/env bash
# Brings what this machine lacks to build and run the world: checks first, installs only what is
# missing, says what it does. Safe to run again; with everything there it takes a second.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/setup/packages.sh
source "$ATLAS_ROOT/scripts/setup/packages.sh"
# shellcheck source=scripts/setup/docker.sh
source "$ATLAS_ROOT/scripts/setup/docker.sh"
# shellcheck source=scripts/setup/limits.sh
source "$ATLAS_ROOT/scripts/setup/limits.sh"

# What images, programs and tests take was measured; a full disk shows as failures in odd places.
free=$(df --output=avail -BG "$ATLAS_CACHE" | tr -dc '[:digit:]\n' | tail -n 1)
((free >= 25)) || say "  ! $ATLAS_CACHE has $free GB left. Building everything from nothing takes 25 GB."
have cargo || die "Rust is missing. Install it from https://rustup.rs, then run this again."
have terraform || have tofu ||
  die "Terraform is missing. Install it: https://developer.hashicorp.com/terraform/install"
have docker || install_packages docker.io:docker
ensure_docker
ensure_watches
