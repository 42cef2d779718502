variable "name" {
  type = string
}

output "topic" {
  value = "topic-${var.name}"
}
