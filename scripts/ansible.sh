# shellcheck shell=bash
# Ansible in a virtual environment of its own, as orchestration/requirements*.txt pin it, so that the
# machine's own Ansible is left alone. Sourced after lib.sh and setup/packages.sh.

# The package that carries all community collections; only kubernetes.core is taken out of it.
ATLAS_COLLECTIONS=ansible==12.3.0

# ensure_ansible FILE : makes the environment of orchestration/FILE where it is missing, and sets
# ATLAS_ANSIBLE to its folder.
ensure_ansible() {
  local pins=orchestration/$1
  ATLAS_ANSIBLE=$ATLAS_CACHE/trees/ansible-${1%.txt}-$(content_hash orchestration/requirements.txt "$pins" scripts/ansible.sh)
  export ATLAS_ANSIBLE
  [[ ! -d $ATLAS_ANSIBLE/collections ]] || return 0
  have python3 || install_packages python3:python3
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "Ansible needs Python 3.11 or newer, and python3 is $(python3 -V 2>&1). Install one and put it first in PATH."
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv:/usr/lib/python3-venv
  step "Ansible in a virtual environment" make_ansible "$ATLAS_ANSIBLE" "$ATLAS_ROOT/$pins"
}

make_ansible() {
  local folder=$1 pins=$2 wheels=$1/wheels
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --requirement "$pins"
  "$folder/bin/pip" download --quiet --no-deps --dest "$wheels" "$ATLAS_COLLECTIONS"
  "$folder/bin/python" - "$wheels"/ansible-*.whl "$folder/collections.new" <<'PYTHON'
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    wanted = [name for name in wheel.namelist() if name.startswith("ansible_collections/kubernetes/core/")]
    wheel.extractall(sys.argv[2], wanted)
PYTHON
  rm -rf "$wheels"
  # Last, because its presence says that all the rest is there.
  mv "$folder/collections.new" "$folder/collections"
}

# run_playbook PLAYBOOK WORD... : runs a playbook of orchestration/.
run_playbook() {
  (cd "$ATLAS_ROOT/orchestration" && ANSIBLE_CONFIG=ansible.cfg "$ATLAS_ANSIBLE/bin/ansible-playbook" "$@")
}
