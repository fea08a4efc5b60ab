resource "atlas_k3d_cluster" "example" {
  name         = "example"
  agents       = 1
  cluster_cidr = "10.99.128.0/17"
  service_cidr = "10.99.64.0/18"

  port {
    host_port      = 18080
    container_port = 80
    node_filters   = ["loadbalancer"]
  }

  k3s {
    extra_server_args = ["--disable=traefik"]
  }
}
