resource "atlas_network" "bank" {
  name   = "example-bank"
  subnet = "10.107.0.0/24"
}

resource "atlas_cockroachdb_region" "bank" {
  for_each = toset(["us-east", "eu-central", "witness"])

  cluster      = "example-bank"
  name         = each.key
  regions      = ["us-east", "eu-central", "witness"]
  nodes        = 1
  network      = atlas_network.bank.name
  certificates = "${path.root}/example-bank"
}

resource "atlas_cockroachdb_cluster" "bank" {
  name         = "example-bank"
  regions      = [for region in atlas_cockroachdb_region.bank : region.name]
  certificates = "${path.root}/example-bank"
}

resource "atlas_cockroachdb_database" "bank" {
  cluster          = atlas_cockroachdb_cluster.bank.name
  name             = "example_bank"
  primary_region   = "us-east"
  secondary_region = "eu-central"
  regions          = ["us-east", "eu-central", "witness"]
  survival_goal    = "region"
}
