# The id is the cluster's name.
terraform import atlas_k3d_cluster.example example

# Where the configuration has a kubeconfig block with a path:
terraform import atlas_k3d_cluster.example example,kubeconfig=example.yaml
