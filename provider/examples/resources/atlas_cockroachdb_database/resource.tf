resource "atlas_cockroachdb_database" "ledger" {
  cluster          = atlas_cockroachdb_cluster.ledger.name
  name             = "example_ledger"
  primary_region   = "us-east"
  secondary_region = "eu-central"
  regions          = ["us-east", "eu-central", "witness"]
  survival_goal    = "region"
}
