#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kubeconfig
short_description: Kubeconfig entries of k3d clusters
version_added: 0.1.0
description:
- Keeps a cluster's entries in a kubeconfig file on the host of the module. What else is in it stays as it is.
  The file is written only where it must change. A new one has mode 0600; one that is there keeps its owner
  and its mode, but for what everybody may do.
- Credentials are not returned.
- In check mode a cluster that does not exist yet is assumed to be created by an earlier task.
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.k3d_cluster
- module: atlas.world.k3d_cluster_info
- module: atlas.world.k3d_node
- module: atlas.world.load_balancer
- module: atlas.world.k3d_image_import
options:
  cluster:
    description:
    - The cluster's name.
    type: str
    required: true
  state:
    description:
    - Whether the file has the cluster's entries. A file that holds nothing else is removed.
    type: str
    default: present
    choices:
    - present
    - absent
  path:
    description:
    - 'The file. Left out, the one that kubectl would write to: of those in E(KUBECONFIG) the one with the
      cluster''s entries, else the first that exists, else the last; without E(KUBECONFIG),
      C(~/.kube/config).'
    type: path
  switch_current_context:
    description:
    - Make this cluster the current context.
    type: bool
    default: false
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
- name: A file for one cluster
  atlas.world.kubeconfig:
    cluster: example-us
    path: ~/.kube/example-us.yaml

- name: Make it the current context of that file
  atlas.world.kubeconfig:
    cluster: example-us
    path: ~/.kube/example-us.yaml
    switch_current_context: true
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
kubeconfig:
  description: The file, and the names of the cluster, context and user in it.
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
            "state": {
                "type": "str",
                "default": "present",
                "choices": ["present", "absent"],
            },
            "path": {
                "type": "path",
            },
            "switch_current_context": {
                "type": "bool",
                "default": False,
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
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.kubeconfig.")


if __name__ == "__main__":
    main()
