# shellcheck shell=bash
# What the kernel allows. Sourced after lib.sh.

# ensure_watches : every node holds some ten inotify instances, all nodes those of one user, and Linux gives a
# user 128. The world has two clusters, and tests run several side by side; a node that gets none ends with "too many
# open files". Tests name another /proc in ATLAS_PROC.
ensure_watches() {
  local name=fs.inotify.max_user_instances wanted=1024 found
  found=$(cat "${ATLAS_PROC:-/proc}/sys/${name//.//}" 2>/dev/null) || return 0
  ((found < wanted)) || return 0
  if [[ $(id -u) == 0 ]] && sysctl --quiet --write "$name=$wanted" 2>/dev/null; then
    say "  ✓ $name raised from $found to $wanted, until the next boot"
  else
    say "  ! $name is $found, which is few for several clusters at once; as root: sysctl -w $name=$wanted"
  fi
}
