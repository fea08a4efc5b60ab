variable "images" {
  description = "Images of nodes and load balancers; the provider's defaults where left out."
  type        = object({ node = optional(string), loadbalancer = optional(string) })
  default     = null
}

variable "base_cidr" {
  description = "The network that regions are cut from, /16 or larger."
  type        = string
  default     = "10.64.0.0/12"
}

variable "transit_cidr" {
  description = "The bridge's own network."
  type        = string
  default     = "10.80.0.0/24"
}

variable "agents" {
  description = "Agents of each cluster."
  type        = number
  default     = 0
}

variable "kubeconfig_folder" {
  description = "Where the clusters' kubeconfigs are written, mode 0600."
  type        = string
}

variable "prefix" {
  description = "Begins all names, so that two worlds fit on one Docker daemon."
  type        = string
  default     = ""
}
