data "atlas_cockroachdb_survival" "bank" {
  cluster = "example-bank"
}

output "bank_survives_a_region" {
  value = data.atlas_cockroachdb_survival.bank.survives_region
}
