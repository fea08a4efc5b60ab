# The cloud side of the world: LocalStack with a replicator beside it, and in each region an audit bucket, a
# transaction queue and the roles of those who use them. It is a root of its own, because it alone needs a provider
# from elsewhere. Names, networks and ports come from the file that the playbook reads too.

locals {
  world = yamldecode(file(coalesce(var.world, "${path.module}/../../orchestration/group_vars/all/world.yml")))
  cloud = local.world.world_cloud
  us    = local.world.world_regions["us-east"].cloud
  eu    = local.world.world_regions["eu-central"].cloud

  # Known before any server is: hashicorp/aws is configured with them.
  endpoints = {
    us = "http://127.0.0.1:${local.us.port}"
    eu = "http://127.0.0.1:${var.server_per_region ? local.eu.port : local.us.port}"
  }
}

resource "atlas_network" "cloud" {
  provider = atlas.us
  name     = local.cloud.network
  subnet   = local.cloud.subnet
}

resource "atlas_localstack" "us" {
  provider = atlas.us
  name     = local.us.server
  network  = atlas_network.cloud.name
  port     = local.us.port

  force_destroy = var.force_destroy

  # Where one server serves both regions, its replicator looks for their buckets and queues there alone.
  replicator = {
    regions      = var.server_per_region ? [local.us.region] : [local.us.region, local.eu.region]
    peers        = var.server_per_region ? ["http://atlas-localstack-${local.eu.server}:4566"] : null
    metrics_port = local.us.metrics_port
  }
}

resource "atlas_localstack" "eu" {
  count    = var.server_per_region ? 1 : 0
  provider = atlas.eu
  name     = local.eu.server
  network  = atlas_network.cloud.name
  port     = local.eu.port

  force_destroy = var.force_destroy

  replicator = {
    regions      = [local.eu.region]
    peers        = ["http://atlas-localstack-${local.us.server}:4566"]
    metrics_port = local.eu.metrics_port
  }
}

module "us" {
  source    = "../modules/regional_stack"
  providers = { atlas = atlas.us, aws = aws.us }

  region          = local.us.region
  endpoint        = atlas_localstack.us.endpoint
  bucket          = local.us.bucket
  noncurrent_days = local.cloud.noncurrent_days
  queue           = local.cloud.queue
  force_destroy   = var.force_destroy
  peer            = { region = local.eu.region, bucket = local.eu.bucket, queue = local.cloud.queue }
}

module "eu" {
  source    = "../modules/regional_stack"
  providers = { atlas = atlas.eu, aws = aws.eu }

  region          = local.eu.region
  endpoint        = var.server_per_region ? atlas_localstack.eu[0].endpoint : atlas_localstack.us.endpoint
  bucket          = local.eu.bucket
  noncurrent_days = local.cloud.noncurrent_days
  queue           = local.cloud.queue
  force_destroy   = var.force_destroy
  peer            = { region = local.us.region, bucket = local.us.bucket, queue = local.cloud.queue }
}
