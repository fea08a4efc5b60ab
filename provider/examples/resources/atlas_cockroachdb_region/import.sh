# The id is CLUSTER/NAME.
terraform import 'atlas_cockroachdb_region.ledger["us-east"]' example/us-east

# With the folder that its configuration names, which no node tells:
terraform import 'atlas_cockroachdb_region.ledger["us-east"]' example/us-east,certificates=./certificates
