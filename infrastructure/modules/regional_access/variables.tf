variable "prefix" {
  description = "Begins the names of roles and policies. IAM knows no regions, so it should name one."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,40}$", var.prefix))
    error_message = "prefix must be 2 to 41 lowercase letters, digits and dashes, a letter first."
  }
}

variable "bucket_arn" {
  description = "The region's audit bucket."
  type        = string

  validation {
    condition     = startswith(var.bucket_arn, "arn:aws:s3:::") && !endswith(var.bucket_arn, "*")
    error_message = "bucket_arn must be the ARN of one bucket, arn:aws:s3:::NAME."
  }
}

variable "peer_bucket_arn" {
  description = "The bucket in the other region that copies go to."
  type        = string

  validation {
    condition     = startswith(var.peer_bucket_arn, "arn:aws:s3:::") && !endswith(var.peer_bucket_arn, "*")
    error_message = "peer_bucket_arn must be the ARN of one bucket, arn:aws:s3:::NAME."
  }

  validation {
    condition     = var.peer_bucket_arn != var.bucket_arn
    error_message = "peer_bucket_arn is the region's own bucket; name the other region's."
  }
}

variable "queue_arn" {
  description = "The region's transaction queue."
  type        = string
}

variable "events_queue_arn" {
  description = "The queue that the bucket tells of its changes."
  type        = string
}

variable "outbox_arn" {
  description = "The queue for messages to the other region; null where there is none."
  type        = string
  default     = null
}

variable "peer_queue_arn" {
  description = "The other region's transaction queue, to which the outbox is forwarded; null where there is none."
  type        = string
  default     = null

  validation {
    condition     = (var.peer_queue_arn == null) == (var.outbox_arn == null)
    error_message = "outbox_arn and peer_queue_arn belong together: give both or none."
  }
}

variable "ledger_principals" {
  description = "ARNs that may take the ledger's role."
  type        = list(string)
}

variable "replicator_principals" {
  description = "ARNs that may take the replicator's role."
  type        = list(string)
}

variable "tags" {
  description = "Tags of roles and policies."
  type        = map(string)
  default     = {}
}
