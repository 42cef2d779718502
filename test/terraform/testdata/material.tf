# Imported material that expires, rotation, and what is encrypted in one region and decrypted in the other.

resource "aws_kms_external_key" "expires" {
  description             = "brought from outside"
  key_material_base64     = base64encode("a key of 32 bytes for this test.")
  valid_to                = timeadd(plantimestamp(), "4380h")
  enabled                 = true
  deletion_window_in_days = 7

  lifecycle { ignore_changes = [valid_to] }
}

resource "aws_kms_key" "primary" {
  multi_region            = true
  enable_key_rotation     = true
  rotation_period_in_days = 100
  deletion_window_in_days = 7
}

resource "aws_kms_replica_key" "replica" {
  provider                = aws.second
  primary_key_arn         = aws_kms_key.primary.arn
  description             = "the same key elsewhere"
  deletion_window_in_days = 7
  tags                    = { place = "elsewhere" }
}

# What is encrypted here opens there.
resource "aws_kms_ciphertext" "here" {
  key_id    = aws_kms_key.primary.key_id
  plaintext = "made here"
}

data "aws_kms_secrets" "there" {
  provider   = aws.second
  depends_on = [aws_kms_replica_key.replica]
  secret {
    name    = "secret"
    payload = aws_kms_ciphertext.here.ciphertext_blob
  }
}

check "opens_there" {
  assert {
    condition     = data.aws_kms_secrets.there.plaintext["secret"] == "made here"
    error_message = "a ciphertext of one region does not open in the other"
  }
}
