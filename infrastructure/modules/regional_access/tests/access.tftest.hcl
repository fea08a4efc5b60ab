# Against a LocalStack (or any endpoint) that runs: AWS_ENDPOINT_URL=http://127.0.0.1:4566 terraform test

variables {
  prefix                = "audit-us"
  bucket_arn            = "arn:aws:s3:::audit-us"
  peer_bucket_arn       = "arn:aws:s3:::audit-eu"
  queue_arn             = "arn:aws:sqs:us-east-1:000000000000:orders.fifo"
  events_queue_arn      = "arn:aws:sqs:us-east-1:000000000000:audit-us-events"
  outbox_arn            = "arn:aws:sqs:us-east-1:000000000000:orders-to-eu-central-1.fifo"
  peer_queue_arn        = "arn:aws:sqs:eu-central-1:000000000000:orders.fifo"
  ledger_principals     = ["arn:aws:iam::000000000000:root"]
  replicator_principals = ["arn:aws:iam::000000000000:root"]
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

run "roles_are_made_and_have_their_policies" {
  command = apply

  assert {
    condition     = output.role_arns["ledger"] == "arn:aws:iam::000000000000:role/audit-us-ledger"
    error_message = "The ledger's role has another ARN."
  }

  assert {
    condition     = length(aws_iam_role_policy_attachment.this) == 2
    error_message = "A role has no policy."
  }
}

run "the_ledger_may_append_and_neither_read_nor_delete" {
  command = plan

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.this["ledger"].policy).Statement :
      !anytrue([for action in flatten([statement.Action]) : can(regex("^s3:(Get|Delete|List|\\*)", action))])
    ])
    error_message = "The ledger may do more with audit records than write them."
  }
}

run "nobody_has_a_wildcard_but_for_looking_around" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_policy.this : [
        for statement in jsondecode(policy.policy).Statement :
        statement.Sid == "Discover" || !contains(flatten([statement.Resource]), "*")
      ]
    ]))
    error_message = "A statement is for all resources."
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_policy.this : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in flatten([statement.Action]) : !strcontains(action, "*")
        ]
      ]
    ]))
    error_message = "A statement allows actions by wildcard."
  }
}

run "an_outbox_without_a_target_is_refused" {
  command = plan

  variables {
    peer_queue_arn = null
  }

  expect_failures = [var.peer_queue_arn]
}

run "a_bucket_that_is_its_own_peer_is_refused" {
  command = plan

  variables {
    peer_bucket_arn = "arn:aws:s3:::audit-us"
  }

  expect_failures = [var.peer_bucket_arn]
}
