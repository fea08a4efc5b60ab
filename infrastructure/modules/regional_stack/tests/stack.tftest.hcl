# What the module asks for, with providers that make nothing: `terraform test`. That it works is for acceptance-tests.

mock_provider "atlas" {
  mock_resource "atlas_localstack_alias" {
    defaults = {
      account_id       = "000000000000"
      bucket_arn       = "arn:aws:s3:::audit-us"
      queue_arn        = "arn:aws:sqs:us-east-1:000000000000:orders.fifo"
      events_queue_arn = "arn:aws:sqs:us-east-1:000000000000:audit-us-events"
      outbox_arn       = "arn:aws:sqs:us-east-1:000000000000:orders-to-eu-central-1.fifo"
    }
  }
}

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::000000000000:policy/mocked" }
  }
}

variables {
  region   = "us-east-1"
  endpoint = "http://127.0.0.1:4566"
  bucket   = "audit-us"
  queue    = "orders.fifo"
  peer     = { region = "eu-central-1", bucket = "audit-eu", queue = "orders.fifo" }
}

run "the_rules_name_the_role_that_is_made" {
  assert {
    condition     = endswith(atlas_localstack_alias.this.replication.role_arn, ":role/${module.access.role_names["replicator"]}")
    error_message = "The replication rules name a role that nobody makes."
  }

  assert {
    condition     = atlas_localstack_alias.this.replication.peer_bucket == "audit-eu" && atlas_localstack_alias.this.replication.peer_queue == "orders.fifo"
    error_message = "Objects or messages go to another place than the peer's."
  }
}

run "a_queue_of_fifo_name_is_one_and_another_is_not" {
  command = plan

  variables {
    queue = "orders"
    peer  = { region = "eu-central-1", bucket = "audit-eu", queue = "orders" }
  }

  assert {
    condition     = !atlas_localstack_alias.this.queue.fifo && !atlas_localstack_alias.this.queue.content_based_deduplication
    error_message = "A queue without .fifo is to be a FIFO queue."
  }
}

run "buckets_that_hold_records_stay" {
  command = plan

  assert {
    condition     = !atlas_localstack_alias.this.bucket.force_destroy
    error_message = "Audit records go with the module, and nobody said that they may."
  }
}

run "an_account_that_is_another_is_told" {
  # The alias of the first run is there, and says whose it is.
  command = plan

  variables {
    account_id = "111111111111"
  }

  expect_failures = [atlas_localstack_alias.this]
}

run "a_peer_in_the_same_region_is_refused" {
  command = plan

  variables {
    peer = { region = "us-east-1", bucket = "audit-eu", queue = "orders.fifo" }
  }

  expect_failures = [var.peer]
}

run "the_own_bucket_as_peer_is_refused" {
  command = plan

  variables {
    peer = { region = "eu-central-1", bucket = "audit-us", queue = "orders.fifo" }
  }

  expect_failures = [var.peer]
}

run "a_fifo_queue_for_one_that_is_none_is_refused" {
  command = plan

  variables {
    peer = { region = "eu-central-1", bucket = "audit-eu", queue = "orders" }
  }

  expect_failures = [var.peer]
}

run "what_no_server_would_take_is_refused" {
  command = plan

  variables {
    region          = "Frankfurt"
    endpoint        = "localhost"
    bucket          = "Audit"
    queue           = "orders!"
    account_id      = "12"
    noncurrent_days = 0
    expiration_days = 1.5
  }

  expect_failures = [
    var.region, var.endpoint, var.bucket, var.queue, var.account_id, var.noncurrent_days, var.expiration_days,
  ]
}
