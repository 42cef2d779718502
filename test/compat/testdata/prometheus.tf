# What the Terraform test of Managed Prometheus applies: a workspace under a key of the house, one under the account's own, and one
# without an alias.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" { type = string }

variable "revision" {
  type    = string
  default = "one"
}

provider "aws" {
  skip_metadata_api_check = true
  skip_region_validation  = true

  endpoints {
    amp = var.endpoint
    iam = var.endpoint
    kms = var.endpoint
    sts = var.endpoint
  }

  default_tags {
    tags = { project = "strongroom" }
  }
}

resource "aws_kms_key" "metrics" {
  description             = "metrics"
  deletion_window_in_days = 7
}

resource "aws_prometheus_workspace" "plain" {
  alias = "metrics-${var.revision}"
  tags  = { revision = var.revision }
}

resource "aws_prometheus_workspace" "sealed" {
  alias       = "sealed"
  kms_key_arn = aws_kms_key.metrics.arn
}

resource "aws_prometheus_workspace" "nameless" {}

data "aws_prometheus_workspace" "again" {
  workspace_id = aws_prometheus_workspace.sealed.id
}

check "key" {
  assert {
    condition     = data.aws_prometheus_workspace.again.kms_key_arn == aws_kms_key.metrics.arn
    error_message = "the workspace is not under its key"
  }
}
