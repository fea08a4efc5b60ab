# shellcheck shell=bash
# Debian packages, only those whose command is missing.

# install_packages PACKAGE:COMMAND... : a COMMAND that begins with / is a file.
install_packages() {
  local pair package probe missing=()
  for pair in "$@"; do
    package=${pair%%:*} probe=${pair#*:}
    if [[ $probe == /* ]]; then [[ -e $probe ]] || missing+=("$package")
    else PATH=$PATH:/usr/sbin:/sbin have "$probe" || missing+=("$package"); fi
  done
  ((${#missing[@]})) || return 0
  have apt-get || die "these are missing, and only apt is known here: ${missing[*]}. Install them, then run this again."
  [[ $(id -u) == 0 ]] || die "these packages are missing: ${missing[*]}. Run: sudo apt-get install ${missing[*]}"
  say "  installing with apt: ${missing[*]}"
  step "apt-get update" apt-get update -qq
  # Debian's docker.io would start its own daemon where an init system is there; ours is started below.
  step "apt-get install ${missing[*]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
}
