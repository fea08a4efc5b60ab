variable "world" {
  description = "The file that describes the world. Default: orchestration/group_vars/all/world.yml."
  type        = string
  default     = null
}

variable "images" {
  description = "Images of nodes, load balancers and CockroachDB; the provider's defaults where left out."
  type        = object({ node = optional(string), loadbalancer = optional(string), cockroachdb = optional(string) })
  default     = null
}

variable "kubeconfig_folder" {
  description = "Where the clusters' kubeconfigs are written, mode 0600, and in cockroachdb/ the database's certificates."
  type        = string
}
