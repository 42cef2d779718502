# What the Terraform test of Managed Prometheus applies: a workspace under a key of the house, one under the account's own, and one
# without an alias; rules and an alert manager.

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

resource "aws_prometheus_rule_group_namespace" "rules" {
  name         = "rules"
  workspace_id = aws_prometheus_workspace.sealed.id
  data         = <<-EOT
    groups:
      - name: test
        rules:
          - record: metric:recording_rule
            expr: avg(rate(container_cpu_usage_seconds_total[5m]))
          - alert: Revision${var.revision}
            expr: up == 0
            for: 5m
  EOT
}

resource "aws_prometheus_alert_manager_definition" "alerts" {
  workspace_id = aws_prometheus_workspace.sealed.id
  definition   = <<-EOT
    alertmanager_config: |
      route:
        receiver: ${var.revision}
      receivers:
        - name: one
        - name: two
  EOT
}

data "aws_prometheus_workspace" "again" {
  workspace_id = aws_prometheus_workspace.sealed.id
}

check "key" {
  assert {
    condition     = data.aws_prometheus_workspace.again.kms_key_arn == aws_kms_key.metrics.arn
    error_message = "the workspace is not under its key"
  }
}
