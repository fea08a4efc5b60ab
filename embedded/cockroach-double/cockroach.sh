#!/bin/bash
# The entry point of the test double of CockroachDB: takes arguments as the entry point of the
# published image does.
set -euo pipefail

if [[ -n ${COCKROACH_ARGS-} ]]; then
  # Words, as the published entry point splits them.
  # shellcheck disable=SC2086
  set -- $COCKROACH_ARGS
fi
case ${1-} in
  "")
    echo "error: the test double of CockroachDB needs a command, such as: start, init, node, cert, sql, version" >&2
    exit 1
    ;;
  shell)
    shift
    exec /bin/sh "$@"
    ;;
  bash)
    shift
    exec /bin/bash "$@"
    ;;
  start-single-node)
    echo "error: unsupported by the test double of CockroachDB: start-single-node" >&2
    exit 1
    ;;
  *)
    exec /cockroach/cockroach "$@"
    ;;
esac
