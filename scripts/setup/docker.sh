# shellcheck shell=bash
# A Docker daemon to work with. A daemon that answers is taken as it is; only a machine without one
# gets one, and only where this script knows the package manager and may use it.

docker_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

ensure_docker() {
  if have docker && docker_answers; then
    say "  ✓ Docker $(docker version --format '{{.Server.Version}}') answers"
    return
  fi
  [[ -z ${DOCKER_HOST:-} ]] ||
    die "DOCKER_HOST is $DOCKER_HOST, and no Docker daemon answers there. Start it, or unset DOCKER_HOST."
  [[ $(id -u) == 0 ]] ||
    die "no Docker daemon answers. Start Docker (or install it: https://docs.docker.com/engine/install/), then run this again."
  install_packages docker.io:dockerd iptables:iptables containerd:containerd runc:runc
  may_sys_resource || register_runtime
  step "start the Docker daemon" start_docker
}

# Whether root here holds CAP_SYS_RESOURCE (bit 24), which runc hands to privileged containers.
may_sys_resource() {
  local bounding
  bounding=$(awk '/^CapBnd:/ {print $2}' /proc/self/status)
  (((16#$bounding >> 24) & 1))
}

# Without that capability runc refuses privileged containers. The wrapper takes it off their list.
register_runtime() {
  local config=/etc/docker/daemon.json
  if [[ -e $config ]] && ! grep -q atlas-runc "$config"; then
    die "$config exists. Add the runtime \"atlas-runc\" with the path $ATLAS_CACHE/bin/atlas-runc to it and make it the default-runtime, then start Docker."
  fi
  install -m 0755 "$ATLAS_ROOT/scripts/setup/atlas-runc" "$ATLAS_CACHE/bin/atlas-runc"
  mkdir -p /etc/docker
  printf '{"runtimes": {"atlas-runc": {"path": "%s"}}, "default-runtime": "atlas-runc"}\n' \
    "$ATLAS_CACHE/bin/atlas-runc" >"$config"
  say "  ✓ this machine lacks CAP_SYS_RESOURCE: registered the OCI runtime atlas-runc"
}

start_docker() {
  if have systemctl && systemctl is-system-running >/dev/null 2>&1; then
    systemctl start docker
  else
    clear_dead_daemon
    local log=$ATLAS_CACHE/logs/dockerd.log
    setsid dockerd >"$log" 2>&1 </dev/null &
    local daemon=$!
    # The daemon writes this line last; tail ends when the daemon does.
    timeout 90 tail --pid="$daemon" -n +1 -F "$log" 2>/dev/null | grep -qm1 'API listen on' || true
  fi
  docker_answers || {
    tail -n 20 "$ATLAS_CACHE/logs/dockerd.log" 2>/dev/null
    return 1
  }
}

# A daemon that was killed leaves its pid files, and the next one refuses to start over them.
clear_dead_daemon() {
  local file
  for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
    [[ -f $file ]] || continue
    kill -0 "$(<"$file")" 2>/dev/null || rm -f "$file"
  done
  [[ -f /var/run/docker.pid ]] || rm -f /var/run/docker.sock
}
