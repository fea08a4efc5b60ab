# The id is the bridge's name.
terraform import atlas_network_bridge.example example
