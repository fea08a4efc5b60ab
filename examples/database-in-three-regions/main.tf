terraform {
  required_providers {
    atlas = {
      source = "atlas-world/atlas"
    }
  }
}

provider "atlas" {}

locals {
  # Two nodes in two regions and one in a third are the fewest that survive the loss of any region.
  nodes        = { us-east = 2, eu-central = 2, witness = 1 }
  certificates = "${path.root}/certificates"
}

resource "atlas_network" "database" {
  name   = "example-database"
  subnet = "10.112.0.0/24"
}

resource "atlas_cockroachdb_region" "database" {
  for_each = local.nodes

  cluster      = "example-database"
  name         = each.key
  regions      = keys(local.nodes)
  nodes        = each.value
  network      = atlas_network.database.name
  certificates = local.certificates
  cache        = "64MiB"
}

resource "atlas_cockroachdb_cluster" "database" {
  name         = "example-database"
  regions      = [for region in atlas_cockroachdb_region.database : region.name]
  certificates = local.certificates
}

resource "atlas_cockroachdb_database" "shop" {
  cluster          = atlas_cockroachdb_cluster.database.name
  name             = "example_shop"
  primary_region   = "us-east"
  secondary_region = "eu-central"
  regions          = keys(local.nodes)
  survival_goal    = "region"
}

data "atlas_cockroachdb_survival" "database" {
  cluster    = atlas_cockroachdb_cluster.database.name
  depends_on = [atlas_cockroachdb_database.shop]
}

output "survives_a_region" {
  value = data.atlas_cockroachdb_survival.database.survives_region
}
