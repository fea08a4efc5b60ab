#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cockroachdb_cluster
short_description: CockroachDB clusters, made of regions that exist
version_added: 0.1.0
description:
- Initializes a cluster once, waits for all its nodes, sets its settings and licence, and spreads its system
  ranges over the regions so that the loss of one leaves a majority. Its regions come first, by
  M(atlas.world.cockroachdb_region).
- An option that is not given is not compared, and neither is a setting that is not named. In check mode
  regions that do not exist yet are assumed to be created by an earlier task.
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.cockroachdb_region
- module: atlas.world.cockroachdb_database
- module: atlas.world.cockroachdb_info
- name: atlas_cockroachdb_cluster
  description: The Terraform resource that keeps the same thing as declared.
  link: https://registry.terraform.io/providers/atlas-world/atlas/latest/docs/resources/cockroachdb_cluster
options:
  name:
    description:
    - Its name, the same as O(atlas.world.cockroachdb_region#module:cluster) of its regions.
    type: str
    required: true
  state:
    description:
    - Whether the cluster exists. Removing it removes all its nodes and their volumes, of every region; while
      it holds tables, or does not answer, only with O(force_destroy).
    type: str
    default: present
    choices:
    - present
    - absent
  regions:
    description:
    - Names of its regions. Each must have a live node before the cluster counts as made. Left out, they are
      those that are there.
    type: list
    elements: str
  certificates:
    description:
    - The same folder as in its regions. What Atlas made in it goes with the last cluster that uses it; your
      own files stay, also an authority that you brought.
    type: path
  settings:
    description:
    - Cluster settings by name. Others are left alone.
    type: dict
  license:
    description:
    - The licence key, C(crl-0-…). It is never shown. Left out, the licence is left alone; without one,
      CockroachDB allows five open transactions at a time after its grace period of 7 days.
    type: str
  force_destroy:
    description:
    - Whether removing the cluster may remove tables.
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
- name: Regions that wait become one cluster
  atlas.world.cockroachdb_cluster:
    name: example-bank
    regions: [us-east, eu-central, witness]
    certificates: ~/.config/atlas/example-bank
    settings:
      kv.rangefeed.enabled: true

- name: Remove it with all its nodes, tables and certificates
  atlas.world.cockroachdb_cluster:
    name: example-bank
    state: absent
    force_destroy: true
    certificates: ~/.config/atlas/example-bank
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
  description: The cluster as it is, with the attributes of the Terraform resource atlas_cockroachdb_cluster;
    null where there is none.
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
            "regions": {
                "type": "list",
                "elements": "str",
            },
            "certificates": {
                "type": "path",
            },
            "settings": {
                "type": "dict",
            },
            "license": {
                "type": "str",
                "no_log": True,
            },
            "force_destroy": {
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
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.cockroachdb_cluster.")


if __name__ == "__main__":
    main()
