resource "terraform_data" "release" {
  for_each = { for i in var.service_instances : i.name => i }
  input = {
    instance    = each.key
    environment = each.value.environment.name
    channel     = var.pipeline.inputs.channel
  }
}
