# Who may do what in a region: a role for the ledger and one for the replicator, each with what it needs
# and no more. Buckets and queues are the alias's; this module names them and makes none.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

data "aws_iam_policy_document" "assume" {
  for_each = {
    ledger     = var.ledger_principals
    replicator = var.replicator_principals
  }

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = each.value
    }
  }
}

# The ledger writes audit records and never reads or deletes them; it works on its queue, and puts into the
# outbox what is for the other region.
data "aws_iam_policy_document" "ledger" {
  statement {
    sid       = "AppendAudit"
    actions   = ["s3:PutObject"]
    resources = ["${var.bucket_arn}/*"]
  }

  statement {
    sid = "Transactions"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
    ]
    resources = [var.queue_arn]
  }

  dynamic "statement" {
    for_each = var.outbox_arn == null ? [] : [var.outbox_arn]
    content {
      sid       = "ToTheOtherRegion"
      actions   = ["sqs:GetQueueUrl", "sqs:SendMessage"]
      resources = [statement.value]
    }
  }
}

# The replicator reads its own bucket and writes the peer's; it deletes by delete marker only, but for the
# one marker that it may have to take back.
data "aws_iam_policy_document" "replicator" {
  statement {
    sid       = "Discover"
    actions   = ["s3:ListAllMyBuckets", "sqs:ListQueues", "sqs:ListQueueTags", "sqs:GetQueueUrl"]
    resources = ["*"]
  }

  statement {
    sid = "LookAtBuckets"
    actions = [
      "s3:GetBucketLocation",
      "s3:ListBucket",
      "s3:ListBucketVersions",
    ]
    resources = [var.bucket_arn, var.peer_bucket_arn]
  }

  statement {
    sid       = "ReadConfiguration"
    actions   = ["s3:GetBucketNotification", "s3:GetReplicationConfiguration"]
    resources = [var.bucket_arn]
  }

  # A write that an older copy has covered is put back into the own bucket.
  statement {
    sid = "ReadAndRepair"
    actions = [
      "s3:GetObject",
      "s3:GetObjectTagging",
      "s3:GetObjectVersion",
      "s3:GetObjectVersionTagging",
      "s3:PutObject",
      "s3:PutObjectTagging",
      "s3:AbortMultipartUpload",
    ]
    resources = ["${var.bucket_arn}/*"]
  }

  statement {
    sid = "WriteCopies"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:DeleteObjectVersion",
      "s3:GetObject",
      "s3:GetObjectVersion",
      "s3:PutObject",
      "s3:PutObjectTagging",
    ]
    resources = ["${var.peer_bucket_arn}/*"]
  }

  statement {
    sid = "Consume"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = compact([var.events_queue_arn, var.outbox_arn])
  }

  dynamic "statement" {
    for_each = var.peer_queue_arn == null ? [] : [var.peer_queue_arn]
    content {
      sid       = "Forward"
      actions   = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
      resources = [statement.value]
    }
  }
}

locals {
  policies = {
    ledger     = data.aws_iam_policy_document.ledger.json
    replicator = data.aws_iam_policy_document.replicator.json
  }
}

resource "aws_iam_role" "this" {
  for_each           = local.policies
  name               = "${var.prefix}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assume[each.key].json
  tags               = var.tags
}

resource "aws_iam_policy" "this" {
  for_each = local.policies
  name     = "${var.prefix}-${each.key}"
  policy   = each.value
  tags     = var.tags
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each   = local.policies
  role       = aws_iam_role.this[each.key].name
  policy_arn = aws_iam_policy.this[each.key].arn
}
