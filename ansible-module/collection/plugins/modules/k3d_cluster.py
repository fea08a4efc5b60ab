#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k3d_cluster
short_description: k3d clusters
version_added: 0.1.0
description:
- Creates, changes, starts, stops and removes k3d clusters, in the shape that the k3d CLI gives them. The k3d
  CLI lists and deletes such a cluster like its own, and one that the k3d CLI or Terraform made is taken as it
  is.
- An option that is left out is not compared. An empty list means none.
- Agents and ports through the load balancer change in place. What concerns the server, which holds the
  cluster's data, makes another cluster, and needs O(recreate).
- Every node that is made is waited for until Kubernetes calls it Ready.
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.k3d_cluster_info
- module: atlas.world.k3d_node
- module: atlas.world.load_balancer
- module: atlas.world.kubeconfig
- module: atlas.world.k3d_image_import
- name: atlas_k3d_cluster
  description: The Terraform resource that keeps the same thing as declared.
  link: https://registry.terraform.io/providers/atlas-world/atlas/latest/docs/resources/k3d_cluster
options:
  name:
    description:
    - At most 32 lower-case letters, digits and dashes.
    type: str
    required: true
  state:
    description:
    - V(present) makes the cluster what is declared, and runs it. V(started) and V(stopped) start and stop a
      cluster that exists, and change nothing else. V(absent) removes it with its volumes.
    type: str
    default: present
    choices:
    - present
    - started
    - stopped
    - absent
  servers:
    description:
    - Number of servers, which is 1.
    type: int
  agents:
    description:
    - Number of agents, changed in place. Agents of M(atlas.world.k3d_node) do not count. Left out, a new
      cluster has none.
    type: int
  image:
    description:
    - Image of servers and agents. Left out, a new cluster has that of the environment variable
      E(ATLAS_NODE_IMAGE), or k3s as published.
    type: str
  load_balancer_image:
    description:
    - Image of the load balancer. Left out, a new cluster has that of the environment variable
      E(ATLAS_LOADBALANCER_IMAGE), or k3d's as published.
    type: str
  network:
    description:
    - An existing Docker network. Left out, a new cluster creates its own.
    type: str
  subnet:
    description:
    - Subnet of the cluster's own network. Left out, Docker finds one that is free.
    type: str
  cluster_cidr:
    description:
    - Network of pods. Left out, V(10.42.0.0/16).
    type: str
  service_cidr:
    description:
    - Network of Services. Left out, V(10.43.0.0/16).
    type: str
  token:
    description:
    - Join token. Left out, one is generated.
    type: str
  kube_api:
    description:
    - Where the Kubernetes API is published.
    type: dict
    suboptions:
      host:
        description:
        - Host name in kubeconfigs. Left out, it is O(kube_api.host_ip).
        type: str
      host_ip:
        description:
        - Address to bind. Left out, V(127.0.0.1).
        type: str
      host_port:
        description:
        - Port to bind. Left out, one that is free, chosen once.
        type: int
  ports:
    description:
    - Published ports. Through the load balancer they change in place.
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
  volumes:
    description:
    - Mounts.
    type: list
    elements: dict
    suboptions:
      source:
        description:
        - Absolute path of a folder on the machine that runs Docker, or the name of a volume. Left out, an
          anonymous volume.
        type: str
      destination:
        description:
        - Absolute path in the nodes; C(:ro) and other options of a mount may follow it.
        type: str
        required: true
      node_filters:
        description:
        - k3d's node filters, for instance V(server:0), V(agent:*), V(loadbalancer).
        type: list
        elements: str
  env:
    description:
    - Environment of nodes. Values are compared and never shown.
    type: list
    elements: dict
    suboptions:
      key:
        description:
        - Its name.
        type: str
        required: true
      value:
        description:
        - Its value.
        type: str
        default: ''
      node_filters:
        description:
        - k3d's node filters, for instance V(server:0), V(agent:*), V(loadbalancer).
        type: list
        elements: str
  labels:
    description:
    - Labels on containers.
    type: list
    elements: dict
    suboptions:
      key:
        description:
        - Its name.
        type: str
        required: true
      value:
        description:
        - Its value.
        type: str
        default: ''
      node_filters:
        description:
        - k3d's node filters, for instance V(server:0), V(agent:*), V(loadbalancer).
        type: list
        elements: str
  k3s_args:
    description:
    - Further arguments of k3s.
    type: list
    elements: dict
    suboptions:
      arg:
        description:
        - For instance V(--disable=traefik). A flag and its value are one word, or two elements.
        type: str
        required: true
      node_filters:
        description:
        - k3d's node filters, for instance V(server:0), V(agent:*), V(loadbalancer).
        type: list
        elements: str
  node_labels:
    description:
    - Kubernetes labels on nodes.
    type: list
    elements: dict
    suboptions:
      label:
        description:
        - Written C(key=value), as Kubernetes lets a node label itself.
        type: str
        required: true
      node_filters:
        description:
        - k3d's node filters, for instance V(server:0), V(agent:*), V(loadbalancer).
        type: list
        elements: str
  servers_memory:
    description:
    - Memory limit of each server, for instance V(1.5g). Kubernetes takes it for the node's memory.
    type: str
  agents_memory:
    description:
    - Memory limit of each agent, for instance V(512m). Kubernetes takes it for the node's memory.
    type: str
  disable_load_balancer:
    description:
    - Publish the Kubernetes API on the server itself.
    type: bool
  disable_image_volume:
    description:
    - Do not create the volume for image tarballs. The k3d CLI cannot start such a cluster.
    type: bool
  disable_host_ip_injection:
    description:
    - Do not resolve the host as C(host.k3d.internal) in nodes.
    type: bool
  kubeconfig:
    description:
    - A kubeconfig file to keep up to date, on the host of the module. A new one has mode 0600.
    type: dict
    suboptions:
      path:
        description:
        - The file.
        type: path
      update_default_kubeconfig:
        description:
        - 'Write to the file that kubectl would write to: of those in E(KUBECONFIG) the one with the
          cluster''s entries, else the first that exists, else the last; without E(KUBECONFIG),
          C(~/.kube/config).'
        type: bool
        default: false
      switch_current_context:
        description:
        - Make this cluster the current context of that file.
        type: bool
        default: false
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
- name: A cluster with an agent, and a port through its load balancer
  atlas.world.k3d_cluster:
    name: example-us
    agents: 1
    cluster_cidr: 10.99.128.0/17
    service_cidr: 10.99.64.0/18
    ports:
      - container_port: 80
        host_port: 18080
    kubeconfig:
      path: ~/.kube/example-us.yaml

- name: Stop it, keeping its data
  atlas.world.k3d_cluster:
    name: example-us
    state: stopped

- name: Start it again
  atlas.world.k3d_cluster:
    name: example-us
    state: started

- name: Remove it
  atlas.world.k3d_cluster:
    name: example-us
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
cluster:
  description: The cluster as it is, with the attributes of the Terraform data source atlas_k3d_cluster but
    its credentials; null where there is none.
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
                "choices": ["present", "started", "stopped", "absent"],
            },
            "servers": {
                "type": "int",
            },
            "agents": {
                "type": "int",
            },
            "image": {
                "type": "str",
            },
            "load_balancer_image": {
                "type": "str",
            },
            "network": {
                "type": "str",
            },
            "subnet": {
                "type": "str",
            },
            "cluster_cidr": {
                "type": "str",
            },
            "service_cidr": {
                "type": "str",
            },
            "token": {
                "type": "str",
                "no_log": True,
            },
            "kube_api": {
                "type": "dict",
                "options": {
                    "host": {
                        "type": "str",
                    },
                    "host_ip": {
                        "type": "str",
                    },
                    "host_port": {
                        "type": "int",
                    },
                },
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
            "volumes": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "source": {
                        "type": "str",
                    },
                    "destination": {
                        "type": "str",
                        "required": True,
                    },
                    "node_filters": {
                        "type": "list",
                        "elements": "str",
                    },
                },
            },
            "env": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "key": {
                        "type": "str",
                        "required": True,
                        "no_log": False,
                    },
                    "value": {
                        "type": "str",
                        "default": "",
                    },
                    "node_filters": {
                        "type": "list",
                        "elements": "str",
                    },
                },
            },
            "labels": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "key": {
                        "type": "str",
                        "required": True,
                        "no_log": False,
                    },
                    "value": {
                        "type": "str",
                        "default": "",
                    },
                    "node_filters": {
                        "type": "list",
                        "elements": "str",
                    },
                },
            },
            "k3s_args": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "arg": {
                        "type": "str",
                        "required": True,
                    },
                    "node_filters": {
                        "type": "list",
                        "elements": "str",
                    },
                },
            },
            "node_labels": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "label": {
                        "type": "str",
                        "required": True,
                    },
                    "node_filters": {
                        "type": "list",
                        "elements": "str",
                    },
                },
            },
            "servers_memory": {
                "type": "str",
            },
            "agents_memory": {
                "type": "str",
            },
            "disable_load_balancer": {
                "type": "bool",
            },
            "disable_image_volume": {
                "type": "bool",
            },
            "disable_host_ip_injection": {
                "type": "bool",
            },
            "kubeconfig": {
                "type": "dict",
                "options": {
                    "path": {
                        "type": "path",
                    },
                    "update_default_kubeconfig": {
                        "type": "bool",
                        "default": False,
                    },
                    "switch_current_context": {
                        "type": "bool",
                        "default": False,
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
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.k3d_cluster.")


if __name__ == "__main__":
    main()
