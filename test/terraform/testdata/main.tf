# What the Terraform test applies, with material.tf and prometheus.tf: keys, buckets and identities, as people write them.

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

# Certificate, region and credentials come from the environment, as `strongroom env` sets it. So
# does the endpoint; it stands here once more because a person may want it to.
provider "aws" {
  s3_use_path_style           = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = false
  skip_credentials_validation = false

  endpoints {
    amp            = var.endpoint
    cloudtrail     = var.endpoint
    cloudwatchlogs = var.endpoint
    iam            = var.endpoint
    kms            = var.endpoint
    s3             = var.endpoint
    sts            = var.endpoint
  }

  default_tags {
    tags = { project = "strongroom" }
  }
}

# The second region of the house, for replicas. Its endpoint comes from the environment alone.
provider "aws" {
  alias                   = "second"
  region                  = "eu-west-1"
  skip_metadata_api_check = true
  skip_region_validation  = true
}

data "aws_caller_identity" "me" {}

resource "aws_kms_key" "files" {
  description             = "files, ${var.revision}"
  deletion_window_in_days = 7
  enable_key_rotation     = true

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Account"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "files" {
  name          = "alias/terraform/files"
  target_key_id = aws_kms_key.files.key_id
}

resource "aws_kms_grant" "reader" {
  name              = "reader"
  key_id            = aws_kms_key.files.key_id
  grantee_principal = aws_iam_role.reader.arn
  operations        = ["Decrypt", "DescribeKey"]

  constraints {
    encryption_context_subset = { "aws:s3:arn" = "${aws_s3_bucket.files.arn}/report.txt" }
  }
}

# Keys with material of one's own, and keys in two regions.
resource "aws_kms_external_key" "own" {
  description             = "material of one's own, ${var.revision}"
  deletion_window_in_days = 7
  enabled                 = true
  key_material_base64     = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
}

resource "aws_kms_key" "everywhere" {
  description             = "in two regions"
  multi_region            = true
  deletion_window_in_days = 7
}

resource "aws_kms_replica_key" "everywhere" {
  provider                = aws.second
  description             = "the replica, ${var.revision}"
  primary_key_arn         = aws_kms_key.everywhere.arn
  deletion_window_in_days = 7
}

resource "aws_kms_key" "signs" {
  description              = "signs"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
  deletion_window_in_days  = 7
}

# A key whose policy names a principal, with an alias of a generated name and a grant that can be retired.
resource "aws_kms_key" "named" {
  description = "used by a role"
  is_enabled  = true

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { AWS = data.aws_caller_identity.me.account_id }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Reader"
        Effect    = "Allow"
        Principal = { AWS = [aws_iam_role.reader.arn, aws_iam_user.writer.arn] }
        Action    = ["kms:Decrypt", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { StringEquals = { "kms:EncryptionContext:app" = "terraform" } }
      },
    ]
  })
}

resource "aws_kms_alias" "named" {
  name_prefix   = "alias/terraform/"
  target_key_id = aws_kms_key.named.arn
}

resource "aws_kms_grant" "named" {
  key_id             = aws_kms_key.named.arn
  grantee_principal  = aws_iam_user.writer.arn
  retiring_principal = aws_iam_role.reader.arn
  operations         = ["Encrypt", "GenerateDataKey", "RetireGrant"]

  constraints {
    encryption_context_equals = { app = "terraform", revision = var.revision }
  }
}

resource "aws_kms_ciphertext" "secret" {
  key_id    = aws_kms_key.named.key_id
  plaintext = "a secret of revision ${var.revision}"
  context   = { app = "terraform" }
}

data "aws_kms_secrets" "secret" {
  secret {
    name    = "secret"
    payload = aws_kms_ciphertext.secret.ciphertext_blob
    context = { app = "terraform" }
  }
}

data "aws_kms_key" "named" {
  key_id = aws_kms_alias.named.name
}

check "kms" {
  assert {
    condition     = data.aws_kms_secrets.secret.plaintext["secret"] == "a secret of revision ${var.revision}" && data.aws_kms_key.named.arn == aws_kms_key.named.arn
    error_message = "what was encrypted is not what was decrypted, or an alias points to another key"
  }
}

resource "aws_s3_bucket" "files" {
  bucket = "terraform-files"
  tags   = { revision = var.revision }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "files" {
  bucket = aws_s3_bucket.files.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.files.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "files" {
  bucket                  = aws_s3_bucket.files.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "files" {
  bucket     = aws_s3_bucket.files.id
  depends_on = [aws_s3_bucket_public_access_block.files]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TLSOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.files.arn, "${aws_s3_bucket.files.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_s3_object" "report" {
  bucket     = aws_s3_bucket.files.id
  key        = "report.txt"
  content    = "report, revision ${var.revision}"
  depends_on = [aws_s3_bucket_server_side_encryption_configuration.files]
}

resource "aws_iam_user" "writer" {
  name          = "writer"
  path          = "/people/"
  force_destroy = true
}

resource "aws_iam_access_key" "writer" {
  user = aws_iam_user.writer.name
}

resource "aws_iam_user_policy" "writer" {
  name = "inline"
  user = aws_iam_user.writer.name

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:ListBucket", Resource = aws_s3_bucket.files.arn }]
  })
}

resource "aws_iam_policy" "files" {
  name        = "files"
  description = "may write files"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:PutObject", "s3:GetObject"], Resource = "${aws_s3_bucket.files.arn}/${var.revision}/*" },
      { Effect = "Allow", Action = ["kms:GenerateDataKey", "kms:Decrypt"], Resource = aws_kms_key.files.arn },
    ]
  })
}

resource "aws_iam_user_policy_attachment" "writer" {
  user       = aws_iam_user.writer.name
  policy_arn = aws_iam_policy.files.arn
}

resource "aws_iam_group" "people" {
  name = "people"
}

resource "aws_iam_group_membership" "people" {
  name  = "people"
  group = aws_iam_group.people.name
  users = [aws_iam_user.writer.name]
}

resource "aws_iam_group_policy_attachment" "people" {
  group      = aws_iam_group.people.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}

resource "aws_iam_role" "reader" {
  name                 = "reader"
  max_session_duration = 7200

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = aws_iam_user.writer.arn }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "reader" {
  name = "inline"
  role = aws_iam_role.reader.id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "${aws_s3_bucket.files.arn}/*" }]
  })
}

resource "aws_iam_role_policy_attachment" "reader" {
  role       = aws_iam_role.reader.name
  policy_arn = aws_iam_policy.files.arn
}
