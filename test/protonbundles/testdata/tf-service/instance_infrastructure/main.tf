resource "terraform_data" "subscription" {
  input = {
    name    = "${var.service.name}-${var.service_instance.name}"
    topic   = var.environment.outputs.topic_name
    filter  = var.service_instance.inputs.filter
    batch   = var.service_instance.inputs.batch.size
    seconds = var.service_instance.inputs.batch.seconds
  }
}
