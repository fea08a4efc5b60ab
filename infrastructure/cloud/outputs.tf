output "regions" {
  description = "What each region offers, by AWS's name of it."
  value = {
    (local.us.region) = module.us
    (local.eu.region) = module.eu
  }
}

output "servers" {
  description = "The LocalStack servers: for this machine, for containers on the network, and what runs."
  value = {
    for server in concat([atlas_localstack.us], atlas_localstack.eu) : server.name => {
      endpoint          = server.endpoint
      internal_endpoint = server.internal_endpoint
      version           = server.version
      metrics           = "http://127.0.0.1:${server.replicator.metrics_port}/metrics"
    }
  }
}
