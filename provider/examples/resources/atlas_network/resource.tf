resource "atlas_network" "nodes" {
  name   = "example-nodes"
  subnet = "10.99.0.0/24"
}
