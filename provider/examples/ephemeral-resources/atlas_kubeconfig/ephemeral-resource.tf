ephemeral "atlas_kubeconfig" "example" {
  cluster = "example"
}

# For instance, to configure another provider without storing a key:
#
# provider "kubernetes" {
#   host                   = ephemeral.atlas_kubeconfig.example.host
#   cluster_ca_certificate = ephemeral.atlas_kubeconfig.example.cluster_ca_certificate
#   client_certificate     = ephemeral.atlas_kubeconfig.example.client_certificate
#   client_key             = ephemeral.atlas_kubeconfig.example.client_key
# }
