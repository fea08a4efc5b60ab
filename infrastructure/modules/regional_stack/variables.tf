variable "region" {
  description = "AWS's name of the region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be written as AWS does, for instance us-east-1."
  }
}

variable "endpoint" {
  description = "URL of the server that serves the region. The configuration of hashicorp/aws that is handed in must use the same for IAM."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/?#@ ]+/?$", var.endpoint))
    error_message = "endpoint must be scheme, host and port, for instance http://127.0.0.1:4566."
  }
}

variable "account_id" {
  description = "Number of the account that the endpoint serves. LocalStack's default account has only zeros."
  type        = string
  default     = "000000000000"

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be twelve digits."
  }
}

variable "bucket" {
  description = "The audit bucket. Names of the roles and policies begin with it, because IAM knows no regions."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,39}[a-z0-9]$", var.bucket))
    error_message = "bucket must be 3 to 41 small letters, digits and dashes, a letter first and no dash last."
  }
}

variable "expiration_days" {
  description = "Days after which objects expire; null for never."
  type        = number
  default     = null

  validation {
    condition     = var.expiration_days == null || try(var.expiration_days >= 1 && floor(var.expiration_days) == var.expiration_days, false)
    error_message = "expiration_days must be a whole number of days, 1 or more."
  }
}

variable "noncurrent_days" {
  description = "Days after which versions that are no longer current expire; null for never."
  type        = number
  default     = null

  validation {
    condition     = var.noncurrent_days == null || try(var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days, false)
    error_message = "noncurrent_days must be a whole number of days, 1 or more."
  }
}

variable "queue" {
  description = "The transaction queue. One whose name ends in .fifo keeps the order of groups and takes a message's content for its deduplication id."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,50}(\\.fifo)?$", var.queue))
    error_message = "queue must be 1 to 50 letters, digits, dashes and underscores, and may end in .fifo."
  }
}

variable "peer" {
  description = "The other region, to which objects and messages are carried."
  type        = object({ region = string, bucket = string, queue = string })

  validation {
    condition     = var.peer.region != var.region
    error_message = "peer.region is the region itself; name the other one."
  }

  validation {
    condition     = var.peer.bucket != var.bucket
    error_message = "peer.bucket is the region's own bucket; name the other region's."
  }

  validation {
    condition     = endswith(var.peer.queue, ".fifo") == endswith(var.queue, ".fifo")
    error_message = "queue and peer.queue must both be FIFO queues, or neither."
  }
}

variable "prefixes" {
  description = "Beginnings of the keys that are replicated; null for all."
  type        = list(string)
  default     = null
}

variable "force_destroy" {
  description = "Whether the bucket may be destroyed with what it holds."
  type        = bool
  default     = false
}

variable "ledger_principals" {
  description = "ARNs that may take the ledger's role. Default: the account."
  type        = list(string)
  default     = null
}

variable "replicator_principals" {
  description = "ARNs that may take the replicator's role. Default: the account."
  type        = list(string)
  default     = null
}

variable "tags" {
  description = "Tags of bucket, queue, roles and policies; null for none."
  type        = map(string)
  default     = null
}
