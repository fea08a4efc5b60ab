# One region of the cloud side: what an alias owns, and the roles of those who use it. README.md says which
# provider owns what, and why.

terraform {
  required_version = ">= 1.9"
  required_providers {
    atlas = {
      source = "atlas-world/atlas"
    }
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

locals {
  # The rules name a role before it is made, because its policy names what the alias makes.
  replicator_role = "arn:aws:iam::${var.account_id}:role/${var.bucket}-replicator"
  root            = "arn:aws:iam::${var.account_id}:root"
}

resource "atlas_localstack_alias" "this" {
  region   = var.region
  endpoint = var.endpoint

  bucket = {
    name                       = var.bucket
    force_destroy              = var.force_destroy
    expiration_days            = var.expiration_days
    noncurrent_expiration_days = var.noncurrent_days
    tags                       = var.tags
  }

  queue = {
    name                        = var.queue
    fifo                        = endswith(var.queue, ".fifo")
    content_based_deduplication = endswith(var.queue, ".fifo")
    tags                        = var.tags
  }

  replication = {
    peer_region = var.peer.region
    peer_bucket = var.peer.bucket
    peer_queue  = var.peer.queue
    prefixes    = var.prefixes
    role_arn    = local.replicator_role
  }

  lifecycle {
    postcondition {
      condition     = self.account_id == var.account_id
      error_message = "${var.endpoint} serves account ${self.account_id}, and the roles are named for account_id ${var.account_id}."
    }
  }
}

module "access" {
  source = "../regional_access"

  prefix                = var.bucket
  bucket_arn            = atlas_localstack_alias.this.bucket_arn
  peer_bucket_arn       = "arn:aws:s3:::${var.peer.bucket}"
  queue_arn             = atlas_localstack_alias.this.queue_arn
  events_queue_arn      = atlas_localstack_alias.this.events_queue_arn
  outbox_arn            = atlas_localstack_alias.this.outbox_arn
  peer_queue_arn        = "arn:aws:sqs:${var.peer.region}:${var.account_id}:${var.peer.queue}"
  ledger_principals     = coalesce(var.ledger_principals, [local.root])
  replicator_principals = coalesce(var.replicator_principals, [local.root])
  tags                  = var.tags
}
