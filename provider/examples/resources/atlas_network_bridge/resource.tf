resource "atlas_k3d_cluster" "us" {
  name         = "example-us"
  cluster_cidr = "10.100.128.0/17"
  service_cidr = "10.100.64.0/18"
}

resource "atlas_k3d_cluster" "eu" {
  name         = "example-eu"
  cluster_cidr = "10.101.128.0/17"
  service_cidr = "10.101.64.0/18"
}

resource "atlas_network_bridge" "example" {
  name     = "example"
  subnet   = "10.102.0.0/24"
  clusters = [atlas_k3d_cluster.us, atlas_k3d_cluster.eu]
}
