resource "terraform_data" "bucket" {
  input = "${var.component.name}-${var.environment.name}"
}

output "bucket_name" {
  value = terraform_data.bucket.output
}
