output "clusters" {
  description = "Where each region's cluster is. orchestration/inventory/terraform.py makes an inventory of it."
  value = {
    for region, cluster in { us-east = atlas_k3d_cluster.us, eu-central = atlas_k3d_cluster.eu } : cluster.name => {
      region                         = region
      api                            = cluster.api_endpoint
      kubeconfig                     = "${var.kubeconfig_folder}/${cluster.name}.yaml"
      nodes                          = [for node in cluster.nodes : "${node.name} (${node.ip})"]
    }
  }
}

output "bridge" {
  description = "Every node's address on the bridge."
  value       = { for member in atlas_network_bridge.world.members : member.node => member.address }
}

output "database" {
  description = "Where the database answers on this machine, and what it survives; null where the description has none. User root has its certificate in the folder of kubeconfigs, in cockroachdb/."
  value = length(local.databases) == 0 ? null : {
    name            = one(atlas_cockroachdb_database.world[*].name)
    urls            = one(atlas_cockroachdb_cluster.world[*].connection_urls)
    consoles        = one(atlas_cockroachdb_cluster.world[*].console_urls)
    survives_node   = one(data.atlas_cockroachdb_survival.world[*].survives_node)
    survives_region = one(data.atlas_cockroachdb_survival.world[*].survives_region)
    regions         = { for region, loss in try(data.atlas_cockroachdb_survival.world[0].regions, {}) : region => loss.margin }
  }
}
