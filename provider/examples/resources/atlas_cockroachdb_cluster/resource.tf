resource "atlas_cockroachdb_cluster" "ledger" {
  name         = "example"
  regions      = [for region in atlas_cockroachdb_region.ledger : region.name]
  certificates = "${path.root}/certificates"
  settings     = { "kv.rangefeed.enabled" = "true" }
}
