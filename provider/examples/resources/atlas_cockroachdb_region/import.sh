terraform import 'atlas_cockroachdb_region.ledger["us-east"]' example/us-east
