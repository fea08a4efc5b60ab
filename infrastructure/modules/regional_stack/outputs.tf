output "endpoint" {
  description = "URL of the server that serves the region."
  value       = atlas_localstack_alias.this.endpoint
}

output "bucket" {
  description = "The audit bucket."
  value       = atlas_localstack_alias.this.bucket.name
}

output "queue_url" {
  description = "URL of the transaction queue."
  value       = atlas_localstack_alias.this.queue_url
}

output "outbox_url" {
  description = "URL of the queue whose messages are delivered to the other region's transaction queue."
  value       = atlas_localstack_alias.this.outbox_url
}

output "role_arns" {
  description = "The roles' ARNs: ledger and replicator."
  value       = module.access.role_arns
}
