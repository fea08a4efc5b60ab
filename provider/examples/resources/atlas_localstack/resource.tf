resource "atlas_network" "cloud" {
  name   = "example-cloud"
  subnet = "10.103.0.0/24"
}

resource "atlas_localstack" "us" {
  name    = "example-us-east"
  network = atlas_network.cloud.name
  port    = 18566
}
