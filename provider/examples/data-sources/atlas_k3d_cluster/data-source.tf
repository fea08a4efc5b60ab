data "atlas_k3d_cluster" "example" {
  name = "example"
}

output "nodes" {
  value = data.atlas_k3d_cluster.example.nodes
}
