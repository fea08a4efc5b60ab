import {
  to = atlas_cockroachdb_cluster.one
  id = "example-one"
}
