locals {
  cidrs = provider::atlas::region_cidrs("10.128.0.0/12", ["us-east", "eu-central"])
}

output "us_pods" {
  value = local.cidrs["us-east"].pods
}
