#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: localstack
short_description: LocalStack servers
version_added: 0.1.0
description:
- 'Creates, changes and removes a LocalStack server: a container on a Docker network, its volume, and on
  request a replicator beside it. The module ends when the server answers.'
- An option that is left out is not compared. Where the server keeps its state, changes make another container
  on the same volume. Without O(persistence), and on an image that passes over it as LocalStack's community
  edition does, they make another server, and need O(recreate).
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.localstack_info
- module: atlas.world.localstack_alias
- name: atlas_localstack
  description: The Terraform resource that keeps the same thing as declared.
  link: https://registry.terraform.io/providers/atlas-world/atlas/latest/docs/resources/localstack
options:
  name:
    description:
    - Its name. The container is called C(atlas-localstack-NAME).
    type: str
    required: true
  state:
    description:
    - Whether the server exists. One that holds objects or messages, or does not say what it holds, is removed
      only with O(force_destroy).
    type: str
    default: present
    choices:
    - present
    - absent
  force_destroy:
    description:
    - Whether objects in its buckets and messages in its queues may be lost with it. O(recreate) says so by
      itself.
    type: bool
    default: false
  network:
    description:
    - The Docker network that it is on. Needed to make it.
    type: str
  image:
    description:
    - Its image. For a new server it is the one that the environment variable E(ATLAS_LOCALSTACK_IMAGE) names,
      then C(docker.io/localstack/localstack:4.9.2).
    type: str
  services:
    description:
    - Services that it runs, as the AWS command line names them. A new server runs s3, sqs, iam and sts.
    type: list
    elements: str
  port:
    description:
    - Port on 127.0.0.1. A new server has 4566.
    type: int
  address:
    description:
    - A fixed IPv4 address on the network.
    type: str
  persistence:
    description:
    - Whether its state is kept in a volume. It is for a new server. Changing it makes another server.
    type: bool
  environment:
    description:
    - More variables. An empty mapping means none. They are compared, and never shown.
    type: dict
  replicator:
    description:
    - A container beside it that replicates objects and messages to other regions. An empty mapping means
      none.
    type: dict
    suboptions:
      image:
        description:
        - Its image. Left out, the environment variable E(ATLAS_REPLICATOR_IMAGE) decides, then
          C(atlas/replicator:1).
        type: str
      peers:
        description:
        - Endpoints of the other regions, as containers on the network see them.
        type: list
        elements: str
      regions:
        description:
        - Regions whose queues it serves.
        type: list
        elements: str
      metrics_port:
        description:
        - Port on 127.0.0.1 for its metrics.
        type: int
      access_key:
        description:
        - Access key for its own endpoint and the peers'. Left out, it is C(test).
        type: str
      secret_key:
        description:
        - The secret of it. Left out, it is C(test).
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
- name: A network for it
  atlas.world.network:
    name: example-cloud
    subnet: 10.103.0.0/24

- name: A server, with a replicator that carries objects and messages between two regions
  atlas.world.localstack:
    name: example-cloud
    network: example-cloud
    port: 18566
    replicator:
      regions: [us-east-1, eu-central-1]

- name: Remove it with its data
  atlas.world.localstack:
    name: example-cloud
    state: absent
    force_destroy: true
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
localstack:
  description: The server as it is, with the attributes of the Terraform resource atlas_localstack but its
    credentials and variables; null where there is none.
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
            "force_destroy": {
                "type": "bool",
                "default": False,
            },
            "network": {
                "type": "str",
            },
            "image": {
                "type": "str",
            },
            "services": {
                "type": "list",
                "elements": "str",
            },
            "port": {
                "type": "int",
            },
            "address": {
                "type": "str",
            },
            "persistence": {
                "type": "bool",
            },
            "environment": {
                "type": "dict",
            },
            "replicator": {
                "type": "dict",
                "options": {
                    "image": {
                        "type": "str",
                    },
                    "peers": {
                        "type": "list",
                        "elements": "str",
                    },
                    "regions": {
                        "type": "list",
                        "elements": "str",
                    },
                    "metrics_port": {
                        "type": "int",
                    },
                    "access_key": {
                        "type": "str",
                        "no_log": True,
                    },
                    "secret_key": {
                        "type": "str",
                        "no_log": True,
                    },
                },
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
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.localstack.")


if __name__ == "__main__":
    main()
