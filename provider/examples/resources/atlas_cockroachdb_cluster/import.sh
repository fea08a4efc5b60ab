# The id is the cluster's name.
terraform import atlas_cockroachdb_cluster.one example-one

# With the folder that its configuration names, which no node tells:
terraform import atlas_cockroachdb_cluster.one example-one,certificates=./example-one
