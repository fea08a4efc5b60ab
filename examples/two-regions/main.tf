terraform {
  required_providers {
    atlas = {
      source = "atlas-world/atlas"
    }
  }
}

provider "atlas" {}

resource "atlas_k3d_cluster" "east" {
  name         = "example-east"
  cluster_cidr = "10.110.128.0/17"
  service_cidr = "10.110.64.0/18"

  kubeconfig {
    path = "${path.root}/east.yaml"
  }
}

resource "atlas_k3d_cluster" "west" {
  name         = "example-west"
  cluster_cidr = "10.111.128.0/17"
  service_cidr = "10.111.64.0/18"

  kubeconfig {
    path = "${path.root}/west.yaml"
  }
}

resource "atlas_network_bridge" "regions" {
  name     = "example-regions"
  subnet   = "10.110.0.0/24"
  clusters = [atlas_k3d_cluster.east, atlas_k3d_cluster.west]
}
