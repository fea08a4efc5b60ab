import {
  to = atlas_network_bridge.example
  id = "example"
}
