# The world: two clusters, one per region, the bridge between them, and a database across three regions. Names, networks
# and ports come from the file that the playbook reads too, so that the two cannot differ.

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
  # A description without a database has none of what follows for it.
  cockroachdb = try(local.world.world_cockroachdb, null)
  databases   = local.cockroachdb == null ? [] : try([local.cockroachdb.database], [])
  voters      = try(local.cockroachdb.regions, {})
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

resource "atlas_network" "cockroachdb" {
  count  = length(local.databases)
  name   = local.cockroachdb.network
  subnet = local.cockroachdb.subnet
}

resource "atlas_cockroachdb_region" "world" {
  for_each       = local.voters
  cluster        = local.cockroachdb.cluster
  name           = each.key
  regions        = keys(local.voters)
  nodes          = each.value.nodes
  network        = atlas_network.cockroachdb[0].name
  zones          = try(each.value.zones, null)
  addresses      = try(each.value.addresses, null)
  sql_ports      = try(each.value.sql_ports, null)
  http_ports     = try(each.value.http_ports, null)
  cache          = try(local.cockroachdb.cache, null)
  max_sql_memory = try(local.cockroachdb.max_sql_memory, null)
  certificates   = "${var.kubeconfig_folder}/cockroachdb"

  lifecycle {
    # The database drops a region before its nodes go.
    create_before_destroy = true
  }
}

resource "atlas_cockroachdb_cluster" "world" {
  count         = length(local.databases)
  name          = local.cockroachdb.cluster
  regions       = [for region in atlas_cockroachdb_region.world : region.name]
  certificates  = "${var.kubeconfig_folder}/cockroachdb"
  force_destroy = true # The world goes with its data.
}

resource "atlas_cockroachdb_database" "world" {
  count            = length(local.databases)
  cluster          = atlas_cockroachdb_cluster.world[0].name
  name             = local.databases[count.index]
  primary_region   = local.cockroachdb.primary_region
  secondary_region = try(local.cockroachdb.secondary_region, null)
  survival_goal    = try(local.cockroachdb.survival_goal, null)
  regions          = [for region in atlas_cockroachdb_region.world : region.name]
  force_destroy    = true
}

data "atlas_cockroachdb_survival" "world" {
  count   = length(local.databases)
  cluster = local.cockroachdb.cluster
  # Where nodes are to be made or mended, it is asked after that.
  depends_on = [
    atlas_cockroachdb_region.world,
    atlas_cockroachdb_cluster.world,
    atlas_cockroachdb_database.world,
  ]
}
