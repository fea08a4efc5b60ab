output "clusters" {
  description = "Where each region's cluster is. orchestration/inventory/terraform.py makes an inventory of it."
  value = {
    for region, cluster in { us-east = atlas_k3d_cluster.us, eu-central = atlas_k3d_cluster.eu } : cluster.name => {
      region     = region
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
