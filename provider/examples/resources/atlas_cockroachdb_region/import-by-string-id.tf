import {
  to = atlas_cockroachdb_region.ledger["us-east"]
  id = "example/us-east"
}
