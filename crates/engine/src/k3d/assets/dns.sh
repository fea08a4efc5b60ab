#!/bin/sh
# Docker's DNS listens on 127.0.0.11 inside this container only, where pods cannot reach it. Give it
# the address of the network's gateway, which pods can reach, and catch what they send there.
set -o errexit -o nounset

grep -q '^nameserver 127\.0\.0\.11' /etc/resolv.conf || exit 0
gateway=$(ip -4 route show default | awk '{print $3; exit}')
[ -n "$gateway" ] || exit 0

echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
iptables-save -t nat |
  sed -e "/DOCKER_OUTPUT/s#-d 127\.0\.0\.11/32#-d $gateway/32#" \
    -e "s#^-A OUTPUT .*-j DOCKER_OUTPUT#&\n-A PREROUTING -d $gateway/32 -j DOCKER_OUTPUT#" |
  iptables-restore
resolv=$(sed "s/127\.0\.0\.11/$gateway/" /etc/resolv.conf)
echo "$resolv" >/etc/resolv.conf
