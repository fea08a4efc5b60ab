# The world: two clusters, one per region, and the bridge between them.

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
  # Disjoint networks for nodes, Services and pods of each region.
  cidrs = provider::atlas::region_cidrs(var.base_cidr, ["us-east", "eu-central"])
}

resource "atlas_network" "us" {
  name   = "${var.prefix}atlas-us-east"
  subnet = local.cidrs["us-east"].nodes
}

resource "atlas_network" "eu" {
  provider = atlas.eu
  name     = "${var.prefix}atlas-eu-central"
  subnet   = local.cidrs["eu-central"].nodes
}

resource "atlas_k3d_cluster" "us" {
  name         = "${var.prefix}dc-us"
  agents       = var.agents
  network      = atlas_network.us.name
  cluster_cidr = local.cidrs["us-east"].pods
  service_cidr = local.cidrs["us-east"].services

  kubeconfig {
    path = "${var.kubeconfig_folder}/${var.prefix}dc-us.yaml"
  }
}

resource "atlas_k3d_cluster" "eu" {
  provider     = atlas.eu
  name         = "${var.prefix}dc-eu"
  agents       = var.agents
  network      = atlas_network.eu.name
  cluster_cidr = local.cidrs["eu-central"].pods
  service_cidr = local.cidrs["eu-central"].services

  kubeconfig {
    path = "${var.kubeconfig_folder}/${var.prefix}dc-eu.yaml"
  }
}

resource "atlas_network_bridge" "world" {
  name     = "${var.prefix}world"
  subnet   = var.transit_cidr
  clusters = [atlas_k3d_cluster.us, atlas_k3d_cluster.eu]
}
