module "names" {
  source = "./modules/names"
  name   = var.environment.name
}

resource "terraform_data" "topic" {
  input = {
    name      = module.names.topic
    region    = var.environment.inputs.region
    retention = var.environment.inputs.retention_days
    readers   = var.environment.inputs.readers
  }
}
