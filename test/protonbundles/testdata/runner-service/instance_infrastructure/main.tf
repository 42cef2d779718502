variable "service" {
  type = any
}

variable "service_instance" {
  type = any
}

variable "environment" {
  type = any
}

resource "terraform_data" "note" {
  input = "${var.service_instance.name}: ${var.service_instance.inputs.note} (${var.environment.outputs.greeting})"
}

output "note" {
  value = terraform_data.note.output
}
