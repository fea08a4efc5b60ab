variable "world" {
  description = "The file that describes the world. Default: orchestration/group_vars/all/world.yml."
  type        = string
  default     = null
}

variable "images" {
  description = "Images of nodes and load balancers; the provider's defaults where left out."
  type        = object({ node = optional(string), loadbalancer = optional(string) })
  default     = null
}

variable "kubeconfig_folder" {
  description = "Where the clusters' kubeconfigs are written, mode 0600."
  type        = string
}
