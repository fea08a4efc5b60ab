resource "atlas_network" "one" {
  name   = "example-one"
  subnet = "10.106.0.0/24"
}

resource "atlas_cockroachdb_region" "one" {
  cluster      = "example-one"
  name         = "us-east"
  regions      = ["us-east"]
  nodes        = 1
  network      = atlas_network.one.name
  certificates = "${path.root}/example-one"
}

resource "atlas_cockroachdb_cluster" "one" {
  name         = "example-one"
  regions      = [atlas_cockroachdb_region.one.name]
  certificates = "${path.root}/example-one"
  settings     = { "kv.rangefeed.enabled" = "true" }
}
