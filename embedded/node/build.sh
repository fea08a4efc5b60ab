#!/usr/bin/env bash
# Builds the image atlas/node: upstream Kubernetes in one container behind k3s's command line.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=embedded/lib.sh
source "$ATLAS_ROOT/embedded/lib.sh"

version=v1.33.4
image=atlas/node:$version
packages=(busybox ca-certificates conntrack containerd containernetworking-plugins ethtool
  etcd-client etcd-server iproute2 iptables kmod mount nftables procps runc socat util-linux)
debian=$(debian_tree node "${packages[@]}")

stamp=k8s.io/component-base/version
client=k8s.io/client-go/pkg/version
kubernetes=$(go_programs kubernetes embedded/node/kubernetes \
  "-X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=33 -X $stamp.gitTreeState=clean
   -X $client.gitVersion=$version -X $client.gitMajor=1 -X $client.gitMinor=33" \
  k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubelet,kube-proxy,kubeadm,kubectl})
coredns=$(go_programs coredns embedded/node/coredns "" github.com/coredns/coredns)
supervisor=$(rust_program k3s)

inputs=$(inputs_hash "$debian" "$kubernetes" "$coredns" "$supervisor" embedded/node/build.sh embedded/node/manifests)
image_is "$image" "$inputs" && exit 0

tree=$(mktemp -d "$ATLAS_CACHE/trees/node.XXXXXX")
trap 'rm -rf "$tree"' EXIT

assemble() {
  tar -C "$tree" -xf "$debian"
  local lib=$tree/usr/lib/atlas
  mkdir -p "$lib/bin" "$lib/images" "$tree/output" "$tree/k3d/images"
  cp "$kubernetes"/* "$lib/bin/"
  install -m 0755 "$supervisor" "$tree/usr/bin/k3s"
  # k3s carries kubectl and ctr under its own name; these links do the same.
  mv "$tree/usr/bin/ctr" "$lib/bin/ctr"
  ln -s k3s "$tree/usr/bin/kubectl"
  ln -s k3s "$tree/usr/bin/ctr"
  # k3d's entry point is written for busybox's shell, which k3s has; dash refuses parts of it.
  ln -sf busybox "$tree/usr/bin/sh"
  ln -s /usr/bin/containerd "$lib/bin/containerd"
  ln -s /usr/bin/etcd "$lib/bin/etcd"
  cp -r "$ATLAS_ROOT/embedded/node/manifests" "$lib/manifests"
  pod_images "$lib/images"
  rm -rf "$tree"/etc/cni/net.d "$tree"/etc/containerd
}

# Images that every cluster needs, or that its tests do: no registry is asked for them.
pod_images() {
  local out=$1 one
  one=$(mktemp -d "$tree/tmp/pod.XXXXXX")
  mkdir -p "$one/pause" "$one/coredns/etc/ssl/certs" "$one/busybox/bin" "$one/busybox/tmp"
  cp "$supervisor" "$one/pause/pause"
  cp "$coredns/coredns" "$one/coredns/coredns"
  cp "$tree/usr/bin/busybox" "$one/busybox/bin/busybox"
  local applet
  for applet in $("$tree/usr/bin/busybox" --list); do
    [[ $applet == busybox ]] || ln -s busybox "$one/busybox/bin/$applet"
  done
  # What busybox is linked to, and what looks up names.
  local library
  for library in "$tree"/usr/lib/*-linux-gnu/{libc.so.6,libresolv.so.2,libnss_dns.so.2,libnss_files.so.2,ld-linux*.so.*}; do
    [[ -e $library ]] || continue
    mkdir -p "$one/busybox/lib" "$one/busybox/lib64" "$one/busybox$(dirname "${library#"$tree/usr"}")"
    cp -L "$library" "$one/busybox${library#"$tree/usr"}"
  done
  cp -L "$tree"/usr/lib64/* "$one/busybox/lib64/"
  mkdir -p "$one/busybox/etc"
  echo 'hosts: files dns' >"$one/busybox/etc/nsswitch.conf"
  echo 'root:x:0:0::/:/bin/sh' >"$one/busybox/etc/passwd"
  echo 'root:x:0:' >"$one/busybox/etc/group"
  pod_image "$one/pause" atlas/pause:1 "$out/pause@1.tar" 'ENTRYPOINT ["/pause"]'
  pod_image "$one/coredns" atlas/coredns:v1.12.4 "$out/coredns@v1.12.4.tar" 'ENTRYPOINT ["/coredns"]'
  pod_image "$one/busybox" atlas/busybox:1 "$out/busybox@1.tar" \
    'ENV PATH=/bin' 'CMD ["sh"]'
  rm -rf "$one"
}

step "assemble $image" assemble
step "import $image" import_tree "$tree" "$image" "$inputs" \
  'ENTRYPOINT ["/bin/k3s"]' 'CMD ["agent"]' \
  'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  'VOLUME /var/lib/rancher/k3s' 'VOLUME /var/lib/kubelet' 'VOLUME /var/lib/cni' 'VOLUME /var/log'
