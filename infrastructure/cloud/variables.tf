variable "world" {
  description = "The file that describes the world. Default: orchestration/group_vars/all/world.yml."
  type        = string
  default     = null

  validation {
    condition     = var.world == null || can(yamldecode(file(var.world)).world_cloud)
    error_message = "world must be a readable YAML file with world_cloud in it, like orchestration/group_vars/all/world.yml."
  }

  # LocalStack, and whoever reads names of buckets, would refuse the same region twice; here it is told at once.
  validation {
    condition = var.world == null || try(
      length(distinct([for region in values(yamldecode(file(var.world)).world_regions) : region.cloud.region])) ==
      length(values(yamldecode(file(var.world)).world_regions)), false
    )
    error_message = "Every region of world_regions needs cloud.region, and each another one."
  }
}

variable "images" {
  description = "Images of LocalStack and the replicator; the provider's defaults where left out."
  type        = object({ localstack = optional(string), replicator = optional(string) })
  default     = null
}

variable "server_per_region" {
  description = "Whether each region has a LocalStack of its own, which the other one outlives. It takes an image that allows replication to another server's bucket: atlas/localstack does, the published one does not. Default: one server for both."
  type        = bool
  default     = false
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may take servers, buckets and queues with what they hold."
  type        = bool
  default     = false
}
