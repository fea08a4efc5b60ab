#!/usr/bin/env bash
# Builds the image atlas/localstack: LocalStack's community edition from PyPI, with state on disk.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"
# shellcheck source=scripts/setup/packages.sh
source "$ATLAS_ROOT/scripts/setup/packages.sh"

version=4.9.2
image=atlas/localstack:$version
here=embedded/localstack
pins=$ATLAS_ROOT/$here/requirements.txt
# Debian's own Python runs them, and bookworm's is 3.11.
abi=3.11
packages=$ATLAS_CACHE/trees/localstack-$version-$(sha256sum "$pins" | cut -c1-16)

# LocalStack and all that it needs, as wheels unpacked into a folder.
install_wheels() {
  local venv=$packages.venv
  rm -rf "$packages.new" "$venv"
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --no-deps --no-compile --target "$packages.new" --requirement "$pins"
  rm -rf "$venv"
  mv "$packages.new" "$packages"
}

debian=$(debian_tree localstack ca-certificates openssl python3)
if [[ ! -d $packages ]]; then
  python=$(command -v "python$abi" || command -v python3 || true)
  [[ -n $python && $("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') == "$abi" ]] ||
    die "Python $abi is needed to build $image. Install python$abi, or use ATLAS_IMAGES=published."
  "$python" -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv:/usr/lib/python3-venv
  step "LocalStack $version from PyPI" install_wheels
fi
inputs=$(inputs_hash "$debian" "$packages" "$here/build.sh" "$here/entrypoint" "$here/atlas_localstack")
image_is "$image" "$inputs" && exit 0

tree=$(mktemp -d "$ATLAS_CACHE/trees/localstack.XXXXXX")
trap 'rm -rf "$tree"' EXIT
assemble() {
  local site=$tree/opt/localstack
  tar -C "$tree" -xf "$debian"
  chmod 0755 "$tree"
  mkdir -p "$site" "$tree/var/lib/localstack" "$tree/etc/localstack/init" "$tree/usr/lib/localstack"
  cp -a "$packages/." "$site/"
  cp -R "$ATLAS_ROOT/$here/atlas_localstack" "$site/"
  rm -rf "$site/atlas_localstack/__pycache__"
  install -m 0755 "$ATLAS_ROOT/$here/entrypoint" "$tree/usr/local/bin/docker-entrypoint.sh"
  # Compiled here, because containers start often.
  chroot "$tree" python3 -m compileall -q -j 0 /opt/localstack >/dev/null || true
  # What is missing shows here and not when it runs.
  chroot "$tree" env PYTHONPATH=/opt/localstack OVERRIDE_IN_DOCKER=1 python3 -c \
    'from localstack.aws.app import LocalstackAwsGateway; from atlas_localstack import iam, replication, s3, sqs'
}
step "assemble $image" assemble
step "import $image" import_tree "$tree" "$image" "$inputs" \
  'ENTRYPOINT ["docker-entrypoint.sh"]' 'WORKDIR /opt/localstack' 'VOLUME /var/lib/localstack' 'EXPOSE 4566' \
  'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' 'ENV PYTHONPATH=/opt/localstack' \
  'ENV PYTHONUNBUFFERED=1' 'ENV OVERRIDE_IN_DOCKER=1' 'ENV GATEWAY_LISTEN=0.0.0.0:4566' \
  'ENV LOCALSTACK_VOLUME_DIR=/var/lib/localstack' \
  'HEALTHCHECK --interval=10s --start-period=15s --retries=5 --timeout=10s CMD ["docker-entrypoint.sh", "healthy"]'
