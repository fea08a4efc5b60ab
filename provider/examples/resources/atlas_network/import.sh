# The id is the network's name.
terraform import atlas_network.nodes example-nodes
