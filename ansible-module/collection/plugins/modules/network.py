#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: network
short_description: Docker bridge networks with an explicit subnet
version_added: 0.1.0
description:
- Creates, keeps and removes a Docker network with an explicit subnet, so that nodes on it can have fixed
  addresses.
- A network cannot be changed in place.
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.network_info
- name: atlas_network
  description: The Terraform resource that keeps the same thing as declared.
  link: https://registry.terraform.io/providers/atlas-world/atlas/latest/docs/resources/network
options:
  name:
    description:
    - Docker's name for it.
    type: str
    required: true
  state:
    description:
    - Whether the network exists. Removing one that is in use fails.
    type: str
    default: present
    choices:
    - present
    - absent
  subnet:
    description:
    - IPv4 network in CIDR form. Needed to make the network.
    type: str
  gateway:
    description:
    - Address of the host on it. Left out, it is the first of the subnet.
    type: str
  labels:
    description:
    - Docker labels. An empty mapping means none.
    type: dict
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
- name: A network for the clusters of a region
  atlas.world.network:
    name: example-nodes
    subnet: 10.98.0.0/24

- name: The same, recreated where it differs
  atlas.world.network:
    name: example-nodes
    subnet: 10.98.0.0/24
    gateway: 10.98.0.2
    recreate: on_change

- name: Remove it
  atlas.world.network:
    name: example-nodes
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
network:
  description: The network as it is, with the attributes of the Terraform resource atlas_network; null where
    there is none.
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
            "gateway": {
                "type": "str",
            },
            "labels": {
                "type": "dict",
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
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.network.")


if __name__ == "__main__":
    main()
