data "atlas_cockroachdb_survival" "ledger" {
  cluster = "example"
}

output "ledger_survives_a_region" {
  value = data.atlas_cockroachdb_survival.ledger.survives_region
}
