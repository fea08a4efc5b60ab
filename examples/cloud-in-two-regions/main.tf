terraform {
  required_providers {
    atlas = {
      source = "atlas-world/atlas"
    }
  }
}

provider "atlas" {}

resource "atlas_network" "audit" {
  name   = "example-audit"
  subnet = "10.113.0.0/24"
}

# One server for both regions, which every image of LocalStack can. The replicator carries what the aliases declare.
resource "atlas_localstack" "audit" {
  name    = "example-audit"
  network = atlas_network.audit.name
  port    = 14566

  replicator = { regions = ["us-east-1", "eu-central-1"] }
}

locals {
  buckets = {
    "us-east-1"    = "example-audit-us"
    "eu-central-1" = "example-audit-eu"
  }
  peers = {
    "us-east-1"    = "eu-central-1"
    "eu-central-1" = "us-east-1"
  }
}

resource "atlas_localstack_alias" "audit" {
  for_each = local.buckets

  region   = each.key
  endpoint = atlas_localstack.audit.endpoint
  bucket   = { name = each.value, force_destroy = true }
  queue    = { name = "example-orders.fifo", fifo = true }

  replication = {
    peer_region = local.peers[each.key]
    peer_bucket = local.buckets[local.peers[each.key]]
    peer_queue  = "example-orders.fifo"
  }
}
