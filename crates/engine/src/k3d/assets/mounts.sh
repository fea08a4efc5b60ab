#!/bin/sh
# Mounts must propagate into pods.
set -o errexit -o nounset

mount --make-rshared /
