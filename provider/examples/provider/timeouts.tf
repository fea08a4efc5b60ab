resource "atlas_network" "patient" {
  name   = "example-patient"
  subnet = "10.97.0.0/24"

  timeouts {
    create = "5m"
    read   = "1m"
    update = "5m"
    delete = "5m"
  }
}
