import {
  to = atlas_network.nodes
  id = "example-nodes"
}
