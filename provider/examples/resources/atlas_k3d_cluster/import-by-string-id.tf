import {
  to = atlas_k3d_cluster.example
  id = "example"
}
