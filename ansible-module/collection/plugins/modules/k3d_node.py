#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k3d_node
short_description: Single agents of k3d clusters
version_added: 0.1.0
description:
- Adds an agent to a cluster by its own name, beside those that the cluster counts, and removes it again. The
  container is called C(k3d-NAME-0), as C(k3d node create) calls it.
- An agent that is added takes what is not given from the cluster's other agents. A change drains and
  recreates it. It goes with its cluster.
- In check mode a cluster that does not exist yet is assumed to be created by an earlier task.
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.k3d_cluster
- module: atlas.world.k3d_cluster_info
- module: atlas.world.load_balancer
- module: atlas.world.kubeconfig
- module: atlas.world.k3d_image_import
options:
  cluster:
    description:
    - The cluster's name.
    type: str
    required: true
  name:
    description:
    - The node's own name.
    type: str
    required: true
  state:
    description:
    - Whether the node exists and runs.
    type: str
    default: present
    choices:
    - present
    - absent
  role:
    description:
    - What it is for.
    type: str
    default: agent
    choices:
    - agent
  image:
    description:
    - Its image.
    type: str
  memory:
    description:
    - Its memory limit, for instance V(2g).
    type: str
  k3s_args:
    description:
    - Further arguments of k3s.
    type: list
    elements: str
  node_labels:
    description:
    - Kubernetes labels, C(key=value).
    type: list
    elements: str
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
- name: An agent with more memory
  atlas.world.k3d_node:
    cluster: example-us
    name: big
    memory: 4g
    node_labels:
      - size=big
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
node:
  description: 'The node as it is: its name, role, ip, state and image; null where there is none.'
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            "cluster": {
                "type": "str",
                "required": True,
            },
            "name": {
                "type": "str",
                "required": True,
            },
            "state": {
                "type": "str",
                "default": "present",
                "choices": ["present", "absent"],
            },
            "role": {
                "type": "str",
                "default": "agent",
                "choices": ["agent"],
            },
            "image": {
                "type": "str",
            },
            "memory": {
                "type": "str",
            },
            "k3s_args": {
                "type": "list",
                "elements": "str",
            },
            "node_labels": {
                "type": "list",
                "elements": "str",
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
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.k3d_node.")


if __name__ == "__main__":
    main()
