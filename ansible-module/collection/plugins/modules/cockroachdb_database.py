#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cockroachdb_database
short_description: Multi-region databases of CockroachDB
version_added: 0.1.0
description:
- Creates, changes and removes a database that lives in several regions. Regions are added, made primary or
  secondary and dropped in an order that CockroachDB allows at every step.
- An option that is left out is not compared. In check mode a cluster that does not exist yet is assumed to be
  created by an earlier task.
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.cockroachdb_region
- module: atlas.world.cockroachdb_cluster
- module: atlas.world.cockroachdb_info
- name: atlas_cockroachdb_database
  description: The Terraform resource that keeps the same thing as declared.
  link: https://registry.terraform.io/providers/atlas-world/atlas/latest/docs/resources/cockroachdb_database
options:
  cluster:
    description:
    - The cluster's name.
    type: str
    required: true
  name:
    description:
    - Its name.
    type: str
    required: true
  state:
    description:
    - Whether the database exists. While it holds tables it is removed only with O(force_destroy).
    type: str
    default: present
    choices:
    - present
    - absent
  primary_region:
    description:
    - The region where its leaders are. Needed to make the database.
    type: str
  regions:
    description:
    - All its regions, the primary one too. A new database has the primary one alone.
    type: list
    elements: str
  secondary_region:
    description:
    - The region that takes over when the primary one is lost. An empty text means none.
    type: str
  survival_goal:
    description:
    - V(zone) keeps all voters in the primary region. V(region) is five voters, no three of them in one
      region, and needs at least three regions. A new database survives a zone.
    type: str
    choices:
    - zone
    - region
  placement:
    description:
    - V(restricted) keeps replicas within tables' home regions. A new database has V(default).
    type: str
    choices:
    - default
    - restricted
  force_destroy:
    description:
    - Whether removing the database may remove tables.
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
- name: A database that survives the loss of any region
  atlas.world.cockroachdb_database:
    cluster: example-bank
    name: example_bank
    primary_region: us-east
    secondary_region: eu-central
    regions: [us-east, eu-central, witness]
    survival_goal: region

- name: Europe takes the lead
  atlas.world.cockroachdb_database:
    cluster: example-bank
    name: example_bank
    primary_region: eu-central
    secondary_region: us-east

- name: Remove it
  atlas.world.cockroachdb_database:
    cluster: example-bank
    name: example_bank
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
database:
  description: The database as it is, with the attributes of the Terraform resource
    atlas_cockroachdb_database; null where there is none.
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
            "primary_region": {
                "type": "str",
            },
            "regions": {
                "type": "list",
                "elements": "str",
            },
            "secondary_region": {
                "type": "str",
            },
            "survival_goal": {
                "type": "str",
                "choices": ["zone", "region"],
            },
            "placement": {
                "type": "str",
                "choices": ["default", "restricted"],
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
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.cockroachdb_database.")


if __name__ == "__main__":
    main()
