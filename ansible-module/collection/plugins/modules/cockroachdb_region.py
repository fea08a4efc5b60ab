#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cockroachdb_region
short_description: The nodes of one region of a CockroachDB cluster
version_added: 0.1.0
description:
- Creates, changes and removes the nodes of a region, in containers, or waits for nodes that run elsewhere.
  New nodes start and wait for the cluster's C(init), which M(atlas.world.cockroachdb_cluster) does; in a
  cluster that serves they join at once.
- Nodes that are taken away are drained and decommissioned first. What needs another container (a version, a
  port) is changed node by node, each is drained and recreated on its volume, and the next follows when all
  ranges are replicated.
- An option that is left out is not compared. In check mode a network that does not exist yet is assumed to be
  created by an earlier task.
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.cockroachdb_cluster
- module: atlas.world.cockroachdb_database
- module: atlas.world.cockroachdb_info
- name: atlas_cockroachdb_region
  description: The Terraform resource that keeps the same thing as declared.
  link: https://registry.terraform.io/providers/atlas-world/atlas/latest/docs/resources/cockroachdb_region
options:
  cluster:
    description:
    - The cluster's name, 1 to 24 lower-case letters, digits and dashes.
    type: str
    required: true
  name:
    description:
    - The region's name, the tier C(region) of its nodes' localities. Nodes are called
      C(atlas-cockroachdb-CLUSTER-REGION-NUMBER).
    type: str
    required: true
  state:
    description:
    - Whether the region exists. Removing it decommissions its nodes, and is refused where data would be lost.
    type: str
    default: present
    choices:
    - present
    - absent
  regions:
    description:
    - Names of all regions of the cluster, the same list in every region. Nodes look for each other at the
      first node of each. Needed to make the region; a change concerns only nodes that are made after it.
    type: list
    elements: str
  join:
    description:
    - More addresses, C(host:port), at which nodes look for their cluster, for instance of nodes that run
      elsewhere.
    type: list
    elements: str
  nodes:
    description:
    - How many nodes there are, 1 to 64. The last ones are added and removed. Needed to make the region.
    type: int
  placement:
    description:
    - V(docker) makes containers. V(external) is for nodes that run elsewhere, with this region in their
      C(--locality); the module waits until so many are live.
    type: str
    default: docker
    choices:
    - docker
    - external
  version:
    description:
    - The tag of the default image, for instance C(v25.4.11). A change is a rolling upgrade.
    type: str
  image:
    description:
    - A whole image instead. New nodes have the one that the environment variable E(ATLAS_COCKROACHDB_IMAGE)
      names, then C(docker.io/cockroachdb/cockroach:v25.4.11).
    type: str
  network:
    description:
    - The Docker network that the nodes are on. All regions must reach each other in it by name. Needed to
      make containers.
    type: str
  zones:
    description:
    - Zones of the region, the tier C(zone); nodes are dealt out among them in turn.
    type: list
    elements: str
  addresses:
    description:
    - Fixed IPv4 addresses on the network, by node.
    type: list
    elements: str
  sql_ports:
    description:
    - Ports on 127.0.0.1 for SQL, by node.
    type: list
    elements: int
  http_ports:
    description:
    - Ports on 127.0.0.1 for the DB Console, health and metrics, by node.
    type: list
    elements: int
  cache:
    description:
    - C(--cache), for instance C(128MiB) or C(.25). An empty text means CockroachDB's own default.
    type: str
  max_sql_memory:
    description:
    - C(--max-sql-memory). An empty text means CockroachDB's own default.
    type: str
  memory:
    description:
    - Memory limit of a node's container, for instance C(2g). An empty text means none.
    type: str
  cpus:
    description:
    - Processors of a node's container, for instance 1.5. 0 means no limit.
    type: float
  certificates:
    description:
    - The folder on the target with the cluster's authority, C(ca.crt) and C(ca.key), and root's client
      certificate, in CockroachDB's layout. It is created if it does not exist; keep it. All regions use the
      same folder. Certificates that Atlas made in it are renewed ahead of their end; of your own authority's
      end you are warned a year ahead. Needed unless the region is insecure.
    type: path
  certificate_days:
    description:
    - Days that nodes' certificates are valid. They are renewed without a restart when a third is left. Those
      of new nodes are valid for 365.
    type: int
  host_names:
    description:
    - More host names and addresses in nodes' certificates. Existing names stay until the certificates are
      renewed.
    type: list
    elements: str
  insecure:
    description:
    - Whether nodes use no TLS and no access control, not even for root. A new region does only where this is
      said. Changing it makes another region.
    type: bool
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
- name: A network for the nodes
  atlas.world.network:
    name: example-bank
    subnet: 10.107.0.0/24

- name: Two nodes in two regions and one in a third, the fewest that survive the loss of any region
  atlas.world.cockroachdb_region:
    cluster: example-bank
    name: "{{ item.name }}"
    regions: [us-east, eu-central, witness]
    nodes: "{{ item.nodes }}"
    network: example-bank
    certificates: ~/.config/atlas/example-bank
  loop:
    - {name: us-east, nodes: 2}
    - {name: eu-central, nodes: 2}
    - {name: witness, nodes: 1}

- name: Larger caches; the nodes are recreated one by one
  atlas.world.cockroachdb_region:
    cluster: example-bank
    name: us-east
    cache: 64MiB
    certificates: ~/.config/atlas/example-bank

- name: Remove a region; its nodes are decommissioned
  atlas.world.cockroachdb_region:
    cluster: example-bank
    name: eu-central
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
region:
  description: The region as it is, with the attributes of the Terraform resource atlas_cockroachdb_region;
    null where there is none.
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
            "regions": {
                "type": "list",
                "elements": "str",
            },
            "join": {
                "type": "list",
                "elements": "str",
            },
            "nodes": {
                "type": "int",
            },
            "placement": {
                "type": "str",
                "default": "docker",
                "choices": ["docker", "external"],
            },
            "version": {
                "type": "str",
            },
            "image": {
                "type": "str",
            },
            "network": {
                "type": "str",
            },
            "zones": {
                "type": "list",
                "elements": "str",
            },
            "addresses": {
                "type": "list",
                "elements": "str",
            },
            "sql_ports": {
                "type": "list",
                "elements": "int",
            },
            "http_ports": {
                "type": "list",
                "elements": "int",
            },
            "cache": {
                "type": "str",
            },
            "max_sql_memory": {
                "type": "str",
            },
            "memory": {
                "type": "str",
            },
            "cpus": {
                "type": "float",
            },
            "certificates": {
                "type": "path",
            },
            "certificate_days": {
                "type": "int",
            },
            "host_names": {
                "type": "list",
                "elements": "str",
            },
            "insecure": {
                "type": "bool",
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
        mutually_exclusive=[
            ["image", "version"],
        ],
        supports_check_mode=True,
    )
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.cockroachdb_region.")


if __name__ == "__main__":
    main()
