#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: load_balancer
short_description: Published ports of k3d clusters
version_added: 0.1.0
description:
- Publishes ports of a cluster through its load balancer, which is recreated for that. The nodes keep running.
- In check mode a cluster that does not exist yet is assumed to be created by an earlier task.
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.k3d_cluster
- module: atlas.world.k3d_cluster_info
- module: atlas.world.k3d_node
- module: atlas.world.kubeconfig
- module: atlas.world.k3d_image_import
options:
  cluster:
    description:
    - The cluster's name.
    type: str
    required: true
  state:
    description:
    - V(absent) takes the listed ports back, or all where none is listed.
    type: str
    default: present
    choices:
    - present
    - absent
  ports:
    description:
    - Published ports.
    type: list
    elements: dict
    suboptions:
      host:
        description:
        - Address to bind. Left out, it is V(127.0.0.1).
        type: str
      host_port:
        description:
        - Port to bind. Left out, Docker chooses one at every start.
        type: int
      container_port:
        description:
        - Port in the nodes.
        type: int
        required: true
      protocol:
        description:
        - Its protocol.
        type: str
        default: tcp
        choices:
        - tcp
        - udp
      node_filters:
        description:
        - k3d's node filters, for instance V(server:0), V(agent:*), V(loadbalancer).
        type: list
        elements: str
  purge:
    description:
    - Whether ports that are not listed are taken back.
    type: bool
    default: true
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
- name: Publish the web server and nothing else
  atlas.world.load_balancer:
    cluster: example-us
    ports:
      - container_port: 80
        host_port: 18080

- name: One more port, beside those that are there
  atlas.world.load_balancer:
    cluster: example-us
    purge: false
    ports:
      - container_port: 443
        host_port: 18443
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
cluster:
  description: The cluster as it is.
  returned: success
  type: dict
ports:
  description: All ports that it publishes.
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            "cluster": {
                "type": "str",
                "required": True,
            },
            "state": {
                "type": "str",
                "default": "present",
                "choices": ["present", "absent"],
            },
            "ports": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "host": {
                        "type": "str",
                    },
                    "host_port": {
                        "type": "int",
                    },
                    "container_port": {
                        "type": "int",
                        "required": True,
                    },
                    "protocol": {
                        "type": "str",
                        "default": "tcp",
                        "choices": ["tcp", "udp"],
                    },
                    "node_filters": {
                        "type": "list",
                        "elements": "str",
                    },
                },
            },
            "purge": {
                "type": "bool",
                "default": True,
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
        required_if=[
            [
                "state",
                "present",
                ["ports"],
            ],
        ],
        supports_check_mode=True,
    )
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.load_balancer.")


if __name__ == "__main__":
    main()
