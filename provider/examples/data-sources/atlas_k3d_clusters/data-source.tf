data "atlas_k3d_clusters" "all" {}

output "clusters" {
  value = data.atlas_k3d_clusters.all.names
}
