terraform {
  required_providers {
    atlas = {
      source = "atlas-world/atlas"
    }
  }
}

# The local Docker daemon and the published images.
provider "atlas" {}

# One alias per region reads naturally, and each may have images or a daemon of its own.
provider "atlas" {
  alias  = "eu"
  region = "eu-central"
  images = {
    node = "docker.io/rancher/k3s:v1.33.4-k3s1"
  }
}
