output "topic_name" {
  value = terraform_data.topic.output.name
}
