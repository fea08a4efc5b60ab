output "clusters" {
  description = "Where each region's cluster is."
  value = {
    for cluster in [atlas_k3d_cluster.us, atlas_k3d_cluster.eu] : cluster.name => {
      api        = cluster.api_endpoint
      kubeconfig = "${var.kubeconfig_folder}/${cluster.name}.yaml"
      nodes      = [for node in cluster.nodes : "${node.name} (${node.ip})"]
    }
  }
}

output "bridge" {
  description = "Every node's address on the bridge."
  value       = { for member in atlas_network_bridge.world.members : member.node => member.address }
}
