# The world: two clusters, one per region, and the bridge between them. Names, networks and ports come from
# the file that the playbook reads too, so that the two cannot differ.

terraform {
  required_version = ">= 1.8"
  required_providers {
    atlas = {
      source = "atlas-world/atlas"
    }
  }
}

# One provider configuration per region.
provider "atlas" {
  region = "us-east"
  images = var.images
}

provider "atlas" {
  alias  = "eu"
  region = "eu-central"
  images = var.images
}

locals {
  world = yamldecode(file(coalesce(var.world, "${path.module}/../../orchestration/group_vars/all/world.yml")))
  us    = local.world.world_regions["us-east"]
  eu    = local.world.world_regions["eu-central"]
}

resource "atlas_network" "us" {
  name   = local.us.network
  subnet = local.us.nodes
}

resource "atlas_network" "eu" {
  provider = atlas.eu
  name     = local.eu.network
  subnet   = local.eu.nodes
}

resource "atlas_k3d_cluster" "us" {
  name         = local.us.cluster
  agents       = local.us.agents
  network      = atlas_network.us.name
  cluster_cidr = local.us.pods
  service_cidr = local.us.services

  dynamic "port" {
    for_each = local.us.ports
    content {
      host_port      = port.value.host_port
      container_port = port.value.container_port
    }
  }

  kubeconfig {
    path = "${var.kubeconfig_folder}/${local.us.cluster}.yaml"
  }
}

resource "atlas_k3d_cluster" "eu" {
  provider     = atlas.eu
  name         = local.eu.cluster
  agents       = local.eu.agents
  network      = atlas_network.eu.name
  cluster_cidr = local.eu.pods
  service_cidr = local.eu.services

  dynamic "port" {
    for_each = local.eu.ports
    content {
      host_port      = port.value.host_port
      container_port = port.value.container_port
    }
  }

  kubeconfig {
    path = "${var.kubeconfig_folder}/${local.eu.cluster}.yaml"
  }
}

resource "atlas_network_bridge" "world" {
  name     = local.world.world_bridge.name
  subnet   = local.world.world_bridge.subnet
  clusters = [atlas_k3d_cluster.us, atlas_k3d_cluster.eu]
}
