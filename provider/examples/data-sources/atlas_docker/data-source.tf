data "atlas_docker" "daemon" {}

output "docker" {
  value = "${data.atlas_docker.daemon.version} at ${data.atlas_docker.daemon.endpoint}"
}
