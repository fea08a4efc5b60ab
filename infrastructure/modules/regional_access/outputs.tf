output "role_arns" {
  description = "The roles' ARNs: ledger and replicator."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

output "policy_arns" {
  description = "The policies' ARNs: ledger and replicator."
  value       = { for name, policy in aws_iam_policy.this : name => policy.arn }
}

output "role_names" {
  description = "The roles' names: ledger and replicator."
  value       = { for name, role in aws_iam_role.this : name => role.name }
}
