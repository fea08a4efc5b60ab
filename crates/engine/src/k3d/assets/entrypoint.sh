#!/bin/sh
# A node's entry point: prepare the container, then become k3s. Further scripts may be put beside
# this one under the same prefix; each runs at every start and must survive being run again.
set -o errexit -o nounset

for script in /bin/k3d-entrypoint-*.sh; do
  [ -e "$script" ] || continue
  if ! "$script" >/var/log/k3d-entrypoint.log 2>&1; then
    echo "$script failed:" >&2
    cat /var/log/k3d-entrypoint.log >&2
    exit 1
  fi
done

exec /bin/k3s "$@"
