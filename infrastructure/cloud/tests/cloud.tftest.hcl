# What the root asks for, with providers that make nothing: `terraform test`. That it works is for acceptance-tests.

mock_provider "atlas" {
  alias = "us"

  mock_resource "atlas_localstack_alias" {
    defaults = { account_id = "000000000000" }
  }
}

mock_provider "atlas" {
  alias = "eu"

  mock_resource "atlas_localstack_alias" {
    defaults = { account_id = "000000000000" }
  }
}

mock_provider "aws" {
  alias = "us"

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

mock_provider "aws" {
  alias = "eu"

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

run "one_server_serves_both_regions_where_nothing_else_is_said" {
  command = plan

  assert {
    condition     = length(atlas_localstack.eu) == 0
    error_message = "There is a second server."
  }

  assert {
    condition     = toset(atlas_localstack.us.replicator.regions) == toset([local.us.region, local.eu.region])
    error_message = "The replicator does not serve both regions."
  }

  assert {
    condition     = local.endpoints.us == local.endpoints.eu
    error_message = "The roles of both regions belong on the one server."
  }
}

run "each_server_has_its_region_and_its_replicator_the_other_server" {
  command = plan

  variables {
    server_per_region = true
  }

  assert {
    condition     = atlas_localstack.us.replicator.regions == tolist([local.us.region]) && atlas_localstack.eu[0].replicator.regions == tolist([local.eu.region])
    error_message = "A replicator serves another region than its server."
  }

  assert {
    condition     = atlas_localstack.us.replicator.peers == tolist(["http://atlas-localstack-${atlas_localstack.eu[0].name}:4566"])
    error_message = "The American replicator does not know the European server."
  }

  assert {
    condition     = atlas_localstack.eu[0].replicator.peers == tolist(["http://atlas-localstack-${atlas_localstack.us.name}:4566"])
    error_message = "The European replicator does not know the American server."
  }

  assert {
    condition     = atlas_localstack.us.network == atlas_localstack.eu[0].network
    error_message = "The servers do not see each other."
  }

  # One port each, of this machine's.
  assert {
    condition = length(distinct([
      atlas_localstack.us.port, atlas_localstack.us.replicator.metrics_port,
      atlas_localstack.eu[0].port, atlas_localstack.eu[0].replicator.metrics_port,
    ])) == 4
    error_message = "Two of them want the same port."
  }

  assert {
    condition     = endswith(local.endpoints.us, ":${atlas_localstack.us.port}") && endswith(local.endpoints.eu, ":${atlas_localstack.eu[0].port}")
    error_message = "hashicorp/aws is configured with another server than the region's."
  }
}

run "another_world_is_read_where_it_is_named" {
  command = plan

  variables {
    world             = "tests/world.yml"
    server_per_region = true
  }

  assert {
    condition     = atlas_network.cloud.subnet == "10.99.0.0/24" && atlas_localstack.eu[0].port == 14567
    error_message = "The world's own description was read."
  }
}

run "a_file_that_describes_no_cloud_side_is_refused" {
  command = plan

  variables {
    world = "variables.tf"
  }

  expect_failures = [var.world]
}

run "two_regions_of_one_name_are_refused" {
  command = plan

  variables {
    world = "tests/twins.yml"
  }

  expect_failures = [var.world]
}
