resource "atlas_network" "ledger" {
  name   = "example-ledger"
  subnet = "10.105.0.0/24"
}

# Two nodes in two regions and one in a third: the least that survives the loss of any region.
resource "atlas_cockroachdb_region" "ledger" {
  for_each = { us-east = 2, eu-central = 2, witness = 1 }

  cluster      = "example"
  name         = each.key
  regions      = ["us-east", "eu-central", "witness"]
  nodes        = each.value
  network      = atlas_network.ledger.name
  certificates = "${path.root}/certificates"
  cache        = "64MiB"
}
