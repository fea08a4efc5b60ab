import {
  to = atlas_cockroachdb_database.bank
  id = "example-bank/example_bank"
}
