# Managed Prometheus: a workspace under a key of the house, one under the account's own, and one
# without an alias; rules and an alert manager; log groups, and a workspace whose logs one of them takes.

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

resource "aws_cloudwatch_log_group" "metrics" {
  name              = "/aws/vendedlogs/prometheus"
  retention_in_days = var.revision == "one" ? 7 : 30
  tags              = { revision = var.revision }
}

resource "aws_cloudwatch_log_stream" "notes" {
  name           = "notes"
  log_group_name = aws_cloudwatch_log_group.metrics.name
}

resource "aws_cloudwatch_log_resource_policy" "delivery" {
  policy_name = "delivery"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource  = "${aws_cloudwatch_log_group.metrics.arn}:log-stream:*"
    }]
  })
}

resource "aws_kms_key" "logs" {
  description             = "logs"
  deletion_window_in_days = 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Effect    = "Allow"
        Principal = { Service = "logs.${data.aws_region.here.name}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
        Resource  = "*"
      },
    ]
  })
}

resource "aws_cloudwatch_log_group" "sealed" {
  name       = "sealed"
  kms_key_id = aws_kms_key.logs.arn
}

resource "aws_prometheus_workspace" "logged" {
  alias = "logged"

  logging_configuration {
    log_group_arn = "${aws_cloudwatch_log_group.metrics.arn}:*"
  }

  depends_on = [aws_cloudwatch_log_resource_policy.delivery]
}

data "aws_region" "here" {}

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
