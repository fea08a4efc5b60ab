#!/usr/bin/env bash
# The collection as users and Ansible's own tools meet it: built, installed, documented, and running a module;
# then Ansible's sanity tests and ansible-lint, which are not repeated for files that have passed them.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/setup/packages.sh
source "$ATLAS_ROOT/scripts/setup/packages.sh"
# shellcheck source=scripts/ansible.sh
source "$ATLAS_ROOT/scripts/ansible.sh"
# shellcheck source=scripts/collection.sh
source "$ATLAS_ROOT/scripts/collection.sh"

ensure_ansible requirements-test.txt
[[ -n ${ATLAS_MODULE:-} ]] || build_collection
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
installed=$folder/collections/ansible_collections/atlas/world
bin=$ATLAS_ANSIBLE/bin
# Ansible's tools keep files in the home folder. Those of the sanity tests are heavy, and kept.
HOME=$ATLAS_CACHE/trees/home-$(basename "$ATLAS_ANSIBLE")
export HOME PATH=$bin:$PATH ANSIBLE_NOCOLOR=1
# Nothing but what is installed here.
export ANSIBLE_COLLECTIONS_PATH=$folder/collections:$ATLAS_ANSIBLE/collections
mkdir -p "$HOME/.ansible/test/cache"

install_collection() {
  pack_collection "$folder"
  ansible-galaxy collection install --offline --collections-path "$folder/collections" "$folder"/atlas-world-*.tar.gz
  ansible-galaxy collection verify --offline --collections-path "$folder/collections" atlas.world
}

# Every module has its sentences, examples and results, and is listed.
check_docs() {
  local modules
  modules=$(cd "$installed/plugins/modules" && printf 'atlas.world.%s ' *.py)
  modules=${modules//.py/}
  # shellcheck disable=SC2086 # words
  ansible-doc --json --type module $modules >"$folder/docs.json"
  ansible-doc --list --json --type module atlas.world >"$folder/list.json"
  # shellcheck disable=SC2086 # words
  python - "$folder" $modules <<'PYTHON'
import json
import sys

folder, *modules = sys.argv[1:]
with open(folder + "/docs.json") as docs, open(folder + "/list.json") as listed:
    docs, listed = json.load(docs), json.load(listed)
for name in modules:
    found = docs.get(name) or {}
    missing = [part for part in ("doc", "examples", "return") if not found.get(part)]
    if missing or name not in listed:
        sys.exit("%s lacks %s" % (name, ", ".join(missing) or "its place in the list"))
PYTHON
}

# The installed collection asks Docker something.
run_module() {
  ansible --inventory localhost, --connection local \
    --module-name atlas.world.network_info --args name=bridge localhost | tee "$folder/ran"
  grep -q '"name": "bridge"' "$folder/ran"
}

# The sanity tests get pip by a script from a host that may be out of reach; pip's own wheel does as well.
offer_pip() {
  local script=$HOME/.ansible/test/cache/get_pip_24_2.py
  pip download --quiet --no-deps --dest "$HOME/.ansible/test/cache" pip==24.2
  cat >"$script" <<'PYTHON'
"""Stands in for get-pip.py, of which ansible-test runs a copy: installs the wheel of pip that lies in its cache."""
import os
import sys

wheel = os.path.expanduser("~/.ansible/test/cache/pip-24.2-py3-none-any.whl")
sys.path.insert(0, wheel)
from pip._internal.cli.main import main  # noqa: E402

sys.exit(main(["install", "--disable-pip-version-check", "--no-index", wheel]))
PYTHON
}

# With the Python of this environment: others may be names without a Python behind them.
sanity() {
  local version
  version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  (cd "$installed" && ansible-test sanity --color no --python "$version")
}

lint() {
  (cd "$installed" && ansible-lint --offline --nocolor --profile production)
  (cd "$ATLAS_ROOT/orchestration" && ansible-lint --offline --nocolor --profile production)
}

say "Collection"
step "build and install it" install_collection
step "its documentation" check_docs
step "run a module of it" run_module
passed=$ATLAS_CACHE/trees/collection-passed-$(content_hash ansible-module/collection orchestration scripts/check-collection.sh)
if [[ -f $passed ]]; then
  say "  ✓ sanity tests and lint: these files have passed them"
  exit
fi
offer_pip
step "ansible-test sanity" sanity
step "ansible-lint" lint
touch "$passed"
