#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: localstack_alias
short_description: Audit buckets and transaction queues in a region
version_added: 0.1.0
description:
- Creates, changes and removes an audit bucket and a transaction queue in one region of an AWS-compatible
  endpoint, and the replication of both to a peer region. The endpoint may be LocalStack or any other that
  speaks S3, SQS and STS.
- 'An option that is left out is not compared. No option recreates an alias: another region, another bucket or
  another queue is another alias. What belongs to an alias carries the tag C(atlas:alias), with the name of
  its bucket. A bucket or queue of the name that is there without it is refused, in check mode too, unless
  O(adopt) consents. Rules of others in the bucket''s lifecycle are left alone.'
author:
- Project Atlas (@atlas-world)
requirements:
- Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer
seealso:
- module: atlas.world.localstack
- module: atlas.world.localstack_info
- name: atlas_localstack_alias
  description: The Terraform resource that keeps the same thing as declared.
  link: https://registry.terraform.io/providers/atlas-world/atlas/latest/docs/resources/localstack_alias
options:
  region:
    description:
    - AWS's name of the region.
    type: str
    required: true
  endpoint:
    description:
    - URL of the endpoint.
    type: str
    required: true
  state:
    description:
    - Whether the alias exists. One whose bucket holds objects, or whose queues hold messages, is removed only
      with O(bucket.force_destroy).
    type: str
    default: present
    choices:
    - present
    - absent
  adopt:
    description:
    - Whether a bucket or queue that somebody else made is taken over with what it holds, and brought to what
      is asked.
    type: bool
    default: false
  access_key:
    description:
    - The access key's id. Left out, the environment variable E(AWS_ACCESS_KEY_ID) decides, then it is
      C(test).
    type: str
  secret_key:
    description:
    - The access key's secret. Left out, the environment variable E(AWS_SECRET_ACCESS_KEY) decides, then it is
      C(test).
    type: str
  bucket:
    description:
    - The audit bucket.
    type: dict
    required: true
    suboptions:
      name:
        description:
        - Its name.
        type: str
        required: true
      force_destroy:
        description:
        - Whether objects in the bucket, and messages in the transaction queue, its dead-letter queue and the
          outbox, may be lost with them.
        type: bool
        default: false
      versioning:
        description:
        - Whether versions are kept. They are in a new bucket.
        type: bool
      block_public_access:
        description:
        - Whether all public access is blocked. It is for a new bucket.
        type: bool
      expiration_days:
        description:
        - Days after which objects expire. 0 means never.
        type: int
      noncurrent_expiration_days:
        description:
        - Days after which versions that are no longer current expire. 0 means never.
        type: int
      tags:
        description:
        - Its tags. An empty mapping means none.
        type: dict
  queue:
    description:
    - The transaction queue, with a dead-letter queue beside it.
    type: dict
    suboptions:
      name:
        description:
        - Its name; that of a FIFO queue ends in C(.fifo).
        type: str
        required: true
      fifo:
        description:
        - Whether it keeps the order of groups. Left out, the name decides.
        type: bool
      content_based_deduplication:
        description:
        - Whether a message without deduplication id gets one from its content.
        type: bool
      visibility_timeout:
        description:
        - Seconds for which a received message is hidden from others. A new queue has 30.
        type: int
      retention:
        description:
        - Seconds after which a message expires. A new queue has 345600.
        type: int
      max_receive_count:
        description:
        - How often a message is received before it is a dead letter. A new queue has 5.
        type: int
      tags:
        description:
        - Its tags. An empty mapping means none.
        type: dict
  replication:
    description:
    - What is replicated to a peer. An empty mapping means nothing.
    type: dict
    suboptions:
      peer_region:
        description:
        - The peer's region.
        type: str
      peer_bucket:
        description:
        - The peer's bucket.
        type: str
      peer_queue:
        description:
        - The peer's transaction queue, to which messages in the outbox are delivered.
        type: str
      peer_endpoint:
        description:
        - The peer's endpoint, for information only.
        type: str
      prefixes:
        description:
        - Prefixes of the keys that are replicated. An empty list means all.
        type: list
        elements: str
      delete_markers:
        description:
        - Whether deletions are replicated.
        type: bool
        default: true
      role_arn:
        description:
        - The IAM role that the rules name.
        type: str
  wait_timeout:
    description:
    - Seconds after which the module gives up. What was made until then stays, and the next run goes on from
      there.
    type: int
    default: 300
  docker_host:
    description:
    - 'Only to look for who replicates: without Docker the module does all else. Defaults of the action group
      may have it.'
    type: str
    aliases:
    - docker_url
  docker_cert_path:
    description:
    - 'Only to look for who replicates: without Docker the module does all else. Defaults of the action group
      may have it.'
    type: path
  docker_tls_verify:
    description:
    - 'Only to look for who replicates: without Docker the module does all else. Defaults of the action group
      may have it.'
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
- name: The peer in Europe
  atlas.world.localstack_alias:
    region: eu-central-1
    endpoint: http://127.0.0.1:18566
    bucket:
      name: example-audit-eu
    queue:
      name: example-transactions.fifo
      fifo: true

- name: The eastern region, replicated to Europe
  atlas.world.localstack_alias:
    region: us-east-1
    endpoint: http://127.0.0.1:18566
    bucket:
      name: example-audit-us
    queue:
      name: example-transactions.fifo
      fifo: true
      content_based_deduplication: true
    replication:
      peer_region: eu-central-1
      peer_bucket: example-audit-eu
      peer_queue: example-transactions.fifo
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
alias:
  description: The alias as it is, with the attributes of the Terraform resource atlas_localstack_alias but
    its credentials; null where there is none.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            "region": {
                "type": "str",
                "required": True,
            },
            "endpoint": {
                "type": "str",
                "required": True,
            },
            "state": {
                "type": "str",
                "default": "present",
                "choices": ["present", "absent"],
            },
            "adopt": {
                "type": "bool",
                "default": False,
            },
            "access_key": {
                "type": "str",
                "no_log": True,
            },
            "secret_key": {
                "type": "str",
                "no_log": True,
            },
            "bucket": {
                "type": "dict",
                "required": True,
                "options": {
                    "name": {
                        "type": "str",
                        "required": True,
                    },
                    "force_destroy": {
                        "type": "bool",
                        "default": False,
                    },
                    "versioning": {
                        "type": "bool",
                    },
                    "block_public_access": {
                        "type": "bool",
                    },
                    "expiration_days": {
                        "type": "int",
                    },
                    "noncurrent_expiration_days": {
                        "type": "int",
                    },
                    "tags": {
                        "type": "dict",
                    },
                },
            },
            "queue": {
                "type": "dict",
                "options": {
                    "name": {
                        "type": "str",
                        "required": True,
                    },
                    "fifo": {
                        "type": "bool",
                    },
                    "content_based_deduplication": {
                        "type": "bool",
                    },
                    "visibility_timeout": {
                        "type": "int",
                    },
                    "retention": {
                        "type": "int",
                    },
                    "max_receive_count": {
                        "type": "int",
                    },
                    "tags": {
                        "type": "dict",
                    },
                },
            },
            "replication": {
                "type": "dict",
                "options": {
                    "peer_region": {
                        "type": "str",
                    },
                    "peer_bucket": {
                        "type": "str",
                    },
                    "peer_queue": {
                        "type": "str",
                    },
                    "peer_endpoint": {
                        "type": "str",
                    },
                    "prefixes": {
                        "type": "list",
                        "elements": "str",
                    },
                    "delete_markers": {
                        "type": "bool",
                        "default": True,
                    },
                    "role_arn": {
                        "type": "str",
                    },
                },
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
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.localstack_alias.")


if __name__ == "__main__":
    main()
