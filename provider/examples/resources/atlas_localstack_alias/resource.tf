resource "atlas_network" "regions" {
  name   = "example-regions"
  subnet = "10.104.0.0/24"
}

resource "atlas_localstack" "regions" {
  name    = "example-regions"
  network = atlas_network.regions.name
  port    = 18567

  # Carries what the aliases' `replication` declares.
  replicator = { regions = ["us-east-1", "eu-central-1"] }
}

# Two regions on one server; each may as well have a server of its own.
resource "atlas_localstack_alias" "us" {
  region   = "us-east-1"
  endpoint = atlas_localstack.regions.endpoint

  bucket = {
    name                       = "example-audit-us"
    noncurrent_expiration_days = 30
    tags                       = { purpose = "audit" }
  }

  queue = {
    name                        = "example-transactions.fifo"
    fifo                        = true
    content_based_deduplication = true
  }

  replication = {
    peer_region = "eu-central-1"
    peer_bucket = "example-audit-eu"
    peer_queue  = "example-transactions.fifo"
    prefixes    = ["ledger/"]
  }
}

resource "atlas_localstack_alias" "eu" {
  region   = "eu-central-1"
  endpoint = atlas_localstack.regions.endpoint
  bucket   = { name = "example-audit-eu" }
  queue    = { name = "example-transactions.fifo", fifo = true }

  replication = {
    peer_region = "us-east-1"
    peer_bucket = "example-audit-us"
  }
}
