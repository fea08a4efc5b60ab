#!/bin/sh
# With cgroup v2 a group that holds processes cannot hand out controllers: move them one level down.
set -o errexit -o nounset

[ -f /sys/fs/cgroup/cgroup.controllers ] || exit 0
mkdir -p /sys/fs/cgroup/init
xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs || :
sed -e 's/ / +/g' -e 's/^/+/' </sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
