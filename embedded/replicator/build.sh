#!/usr/bin/env bash
# Builds the image atlas/replicator: one static program and the certificates of public authorities.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"

image=atlas/replicator:1
program=$(rust_program atlas-replicator)
# This machine's, where it has them; servers on plain HTTP need none.
certificates=
for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
  if [[ -f $file ]]; then
    certificates=$file
    break
  fi
done
[[ -n $certificates ]] || die "this machine has no bundle of CA certificates. Install ca-certificates."
inputs=$(inputs_hash "$program" "$certificates" embedded/replicator/build.sh)
image_is "$image" "$inputs" && exit 0

tree=$(mktemp -d "$ATLAS_CACHE/trees/replicator.XXXXXX")
trap 'rm -rf "$tree"' EXIT
assemble() {
  chmod 0755 "$tree"
  install -D -m 0755 "$program" "$tree/atlas-replicator"
  install -D -m 0644 "$certificates" "$tree/etc/ssl/certs/ca-certificates.crt"
  install -d -m 1777 "$tree/tmp"
}
step "assemble $image" assemble
step "import $image" import_tree "$tree" "$image" "$inputs" 'ENTRYPOINT ["/atlas-replicator"]' 'EXPOSE 9565' \
  'USER 65532:65532' 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt'
