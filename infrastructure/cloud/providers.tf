# One configuration of each provider per region. Atlas makes the servers and what aliases own; hashicorp/aws makes
# IAM on the server that serves the region.

terraform {
  required_version = ">= 1.9"
  required_providers {
    atlas = {
      source = "atlas-world/atlas"
    }
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "atlas" {
  alias  = "us"
  region = "us-east"
  images = var.images
}

provider "atlas" {
  alias  = "eu"
  region = "eu-central"
  images = var.images
}

# LocalStack takes any credentials. Few attempts: a server that is stopped is told soon, and not after minutes.
provider "aws" {
  alias                       = "us"
  region                      = local.us.region
  access_key                  = "test"
  secret_key                  = "test"
  max_retries                 = 2
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    iam = local.endpoints.us
    sts = local.endpoints.us
  }
}

provider "aws" {
  alias                       = "eu"
  region                      = local.eu.region
  access_key                  = "test"
  secret_key                  = "test"
  max_retries                 = 2
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    iam = local.endpoints.eu
    sts = local.endpoints.eu
  }
}
