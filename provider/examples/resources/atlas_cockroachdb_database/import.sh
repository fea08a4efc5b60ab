# The id is CLUSTER/NAME.
terraform import atlas_cockroachdb_database.bank example-bank/example_bank
