#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: network_bridge
short_description: Bridges between k3d clusters
version_added: 0.1.0
description:
- Connects two or more clusters. Pods reach the other clusters' pods and Services by address, and Services by
  name, as C(SERVICE.NAMESPACE.svc.CLUSTER.atlas.internal). Pods behind a headless Service have their names
  likewise.
- Pods reach containers by name too. C(CONTAINER.docker.atlas.internal) is a container on the bridge's network
  (C(docker network connect atlas-bridge-NAME CONTAINER)) or on the network of the asking pod's own cluster.
- Routes return by themselves when a node restarts, and nodes that join get them too.
- In check mode a cluster that does not exist yet is assumed to be created by an earlier task.
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.network_bridge_info
- name: atlas_network_bridge
  description: The Terraform resource that keeps the same thing as declared.
  link: https://registry.terraform.io/providers/atlas-world/atlas/latest/docs/resources/network_bridge
options:
  name:
    description:
    - Its name.
    type: str
    required: true
  state:
    description:
    - Whether the bridge exists. Removing it takes every route and name back.
    type: str
    default: present
    choices:
    - present
    - absent
  subnet:
    description:
    - Network of the transit network, on which every node gets an address. Needed to make the bridge; changing
      it makes another one.
    type: str
  clusters:
    description:
    - All clusters on the bridge, at least two. Needed to make the bridge. Others that are on it are a reason
      not to change it, unless O(purge_clusters) says that they leave.
    type: list
    elements: str
  purge_clusters:
    description:
    - 'Whether clusters leave the bridge that are on it and not among O(clusters). A module knows no owner of
      a bridge: they may be somebody else''s.'
    type: bool
    default: false
  dns:
    description:
    - Whether members resolve each other's names. Left out, it is so for a new bridge and stays as it is for
      one that exists.
    type: bool
  domain:
    description:
    - Below which domain those names lie, changed in place, two labels or more. Left out, it is
      C(atlas.internal) for a new bridge and stays as it is for one that exists.
    type: str
  recreate:
    description:
    - What to do where something differs that cannot be changed in place.
    - V(never) fails and lists it. V(on_change) recreates the object, and its data is lost. V(always)
      recreates it in any case.
    type: str
    default: never
    choices:
    - never
    - on_change
    - always
  wait_timeout:
    description:
    - Seconds after which the module gives up. What was made until then stays, and the next run goes on from
      there.
    type: int
    default: 300
  docker_host:
    description:
    - 'The Docker daemon: C(unix:///path), C(tcp://host:port), C(http://host:port), C(https://host:port) or
      C(ssh://user@host). Without it, as for Docker''s own command line: C(DOCKER_HOST), then the context that
      C(DOCKER_CONTEXT) or C(~/.docker/config.json) names, then the socket of the system
      (C(/var/run/docker.sock)), then that of a daemon without root (in C(XDG_RUNTIME_DIR) or C(~/.docker)).
      With C(ssh://), C(ssh) must reach the machine without a prompt, and find C(docker) there.'
    type: str
    aliases:
    - docker_url
  docker_cert_path:
    description:
    - 'Folder with C(ca.pem), C(cert.pem) and C(key.pem), for a daemon behind TLS. Without it: the
      certificates of the context where one is used, else C(DOCKER_CERT_PATH), then C(~/.docker).'
    type: path
  docker_tls_verify:
    description:
    - 'Whether to speak TLS with the daemon. Without it: whether the context has certificates where one is
      used, else whether C(DOCKER_TLS_VERIFY) is set. C(https://) always does.'
    type: bool
attributes:
  check_mode:
    description: Tells what would change, from the same plan that a run carries out.
    support: full
  diff_mode:
    description: Shows before and after by property, and what forces another object.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
  platform:
    description: 'Where it runs: a Linux host that reaches a Docker daemon.'
    platforms: posix
    support: full
"""

EXAMPLES = r"""
---
- name: The cluster of another region
  atlas.world.k3d_cluster:
    name: example-eu
    cluster_cidr: 10.100.128.0/17
    service_cidr: 10.100.64.0/18

- name: Pods of both regions reach each other
  atlas.world.network_bridge:
    name: example
    subnet: 10.102.0.0/24
    clusters:
      - example-us
      - example-eu

- name: Remove the bridge; its clusters stay
  atlas.world.network_bridge:
    name: example
    state: absent
"""

RETURN = r"""
---
actions:
  description: What was done, or would be done in check mode, a sentence each.
  returned: always
  type: list
  elements: str
differences:
  description: Names of the properties that differed.
  returned: always
  type: list
  elements: str
replace:
  description: Those of them that cannot be changed in place.
  returned: always
  type: list
  elements: str
bridge:
  description: The bridge as it is, with the attributes of the Terraform resource atlas_network_bridge; null
    where there is none.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {
                "type": "str",
                "required": True,
            },
            "state": {
                "type": "str",
                "default": "present",
                "choices": ["present", "absent"],
            },
            "subnet": {
                "type": "str",
            },
            "clusters": {
                "type": "list",
                "elements": "str",
            },
            "purge_clusters": {
                "type": "bool",
                "default": False,
            },
            "dns": {
                "type": "bool",
            },
            "domain": {
                "type": "str",
            },
            "recreate": {
                "type": "str",
                "default": "never",
                "choices": ["never", "on_change", "always"],
            },
            "wait_timeout": {
                "type": "int",
                "default": 300,
            },
            "docker_host": {
                "type": "str",
                "aliases": ["docker_url"],
            },
            "docker_cert_path": {
                "type": "path",
                "no_log": False,
            },
            "docker_tls_verify": {
                "type": "bool",
            },
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.network_bridge.")


if __name__ == "__main__":
    main()
