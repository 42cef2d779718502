"""The journey of docs/proton.md in Terraform, with boto3: what is rendered goes to a repository whose connection the operator does not
have, and so waits for whoever applies it to say how it ended."""

import io
import json
import os
import re
import sys
import tarfile
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
proton, s3, sts, iam, kms = (boto3.client(n, endpoint_url=endpoint, config=config) for n in ("proton", "s3", "sts", "iam", "kms"))
account = sts.get_caller_identity()["Account"]
samples = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "protonbundles", "testdata")
bucket = "terraform-bundles"


def text(*path):
    with open(os.path.join(samples, *path), encoding="utf-8") as f:
        return f.read()


def upload(name):
    """Packs a folder the way tar does and uploads it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(os.path.join(samples, name), arcname=".", filter=lambda i: None if i.name == "./spec" else i)
    s3.put_object(Bucket=bucket, Key=name, Body=buffer.getvalue(), ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    return {"s3": {"bucket": bucket, "key": name}}


def wait(waiter, **arguments):
    proton.get_waiter(waiter).wait(WaiterConfig={"Delay": 1, "MaxAttempts": 120}, **arguments)


def done(resource, **outputs):
    """Says that the deployment of a resource succeeded, once there is one: one that follows from another begins a moment later."""
    for _ in range(1200):
        try:
            proton.notify_resource_deployment_status_change(
                resourceArn=f"arn:aws:proton:{region}:{account}:{resource}", status="SUCCEEDED", outputs=[{"key": k, "valueString": v} for k, v in outputs.items()])
            return
        except ClientError as e:
            if e.response["Error"]["Code"] != "ConflictException":
                raise
        time.sleep(0.1)
    sys.exit(f"no deployment of {resource} begins")


def values(outputs):
    return {o["key"]: o["valueString"] for o in outputs["outputs"]}


s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
key = kms.create_key()["KeyMetadata"]["Arn"]
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "proton.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="components", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
connection = f"arn:aws:codestar-connections:{region}:{account}:connection/6f1d1a2e-0000-4000-8000-000000000001"
live = {"provider": "GITHUB", "name": "platform/live"}
assert proton.create_repository(connectionArn=connection, encryptionKey=key, **live)["repository"]["name"] == "platform/live"
branch = {"branch": "main", **live}
settings = proton.update_account_settings(pipelineProvisioningRepository=branch)["accountSettings"]
assert settings["pipelineProvisioningRepository"]["branch"] == "main", settings

proton.create_environment_template(name="topics", encryptionKey=key)
made = proton.create_environment_template_version(templateName="topics", source=upload("tf-environment"))["environmentTemplateVersion"]
assert made["arn"].endswith(":environment-template/topics:1.0"), made
version = {"templateName": "topics", "majorVersion": "1", "minorVersion": "0"}
wait("environment_template_version_registered", **version)
assert proton.update_environment_template_version(status="PUBLISHED", **version)["environmentTemplateVersion"]["status"] == "PUBLISHED"
proton.create_service_template(name="mail", encryptionKey=key)
made = proton.create_service_template_version(
    templateName="mail", source=upload("tf-service"), compatibleEnvironmentTemplates=[{"templateName": "topics", "majorVersion": "1"}],
    supportedComponentSources=["DIRECTLY_DEFINED"])["serviceTemplateVersion"]
assert made["arn"].endswith(":service-template/mail:1.0"), made
version["templateName"] = "mail"
wait("service_template_version_registered", **version)
assert proton.update_service_template_version(status="PUBLISHED", **version)["serviceTemplateVersion"]["status"] == "PUBLISHED"

spec = text("tf-service", "spec", "spec.yaml")
environments = sorted(set(re.findall(r"(?m)^ *environment: *(\S+)$", spec)))
assert len(environments) == 2, environments
for name in environments:
    made = proton.create_environment(
        name=name, templateName="topics", templateMajorVersion="1", spec=text("tf-environment", "spec", "spec.yaml"), componentRoleArn=role, provisioningRepository=branch)
    assert made["environment"]["deploymentStatus"] == "IN_PROGRESS", made
    done(f"environment/{name}", topic_name=f"topic-{name}")
    wait("environment_deployed", name=name)
    assert values(proton.list_environment_outputs(environmentName=name)) == {"topic_name": f"topic-{name}"}

made = proton.create_service(
    name="post", templateName="mail", templateMajorVersion="1", spec=spec, repositoryId="platform/post", branchName="main", repositoryConnectionArn=connection)
assert made["service"]["status"] == "CREATE_IN_PROGRESS", made
instances = [i["name"] for i in proton.list_service_instances(serviceName="post")["serviceInstances"]]
assert len(instances) == 2, instances
for name in instances:
    done(f"service/post/service-instance/{name}", queue=name)
pipeline = proton.get_service(name="post")["service"]["pipeline"]["arn"].split(f"{account}:", 1)[1]
done(pipeline, build="post-build")
wait("service_created", name="post")
assert values(proton.list_service_pipeline_outputs(serviceName="post")) == {"build": "post-build"}

first = f"service/post/service-instance/{instances[0]}"
made = proton.create_component(
    name="bucket", serviceName="post", serviceInstanceName=instances[0], templateFile=text("tf-component", "template.tf"), manifest=text("tf-component", "manifest.yaml"))
assert made["component"]["deploymentStatus"] == "IN_PROGRESS", made
done("component/bucket", bucket="a-bucket")
wait("component_deployed", name="bucket")
assert values(proton.list_component_outputs(componentName="bucket")) == {"bucket": "a-bucket"}
done(first)

proton.update_component(name="bucket", deploymentType="CURRENT_VERSION", serviceName="", serviceInstanceName="")
done("component/bucket")
done(first)
assert proton.delete_component(name="bucket")["component"]["deploymentStatus"] == "DELETE_IN_PROGRESS"
done("component/bucket")
wait("component_deleted", name="bucket")
assert proton.delete_service(name="post")["service"]["status"] == "DELETE_IN_PROGRESS"
for name in instances:
    done(f"service/post/service-instance/{name}")
done(pipeline)
wait("service_deleted", name="post")
for name in environments:
    assert proton.delete_environment(name=name)["environment"]["deploymentStatus"] == "DELETE_IN_PROGRESS"
    done(f"environment/{name}")
assert not proton.list_services()["services"]
for _ in range(1200):
    if not proton.list_environments()["environments"]:
        break
    time.sleep(0.1)
else:
    sys.exit("the environments are not deleted")
print("the journey has ended")
