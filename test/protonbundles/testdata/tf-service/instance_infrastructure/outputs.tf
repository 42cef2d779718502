output "subscription" {
  value = terraform_data.subscription.output.name
}
