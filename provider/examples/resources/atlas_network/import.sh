terraform import atlas_network.nodes example-nodes
