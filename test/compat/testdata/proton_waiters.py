"""boto3's own waiters for Proton, each to its end: what is deployed outside of the house is said with a notification."""

import io
import json
import os
import sys
import tarfile
import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
proton, s3, sts, iam = (boto3.client(n, endpoint_url=endpoint, config=config) for n in ("proton", "s3", "sts", "iam"))
account = sts.get_caller_identity()["Account"]
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "proton.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="environments", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
used = set()


def wait(waiter, **arguments):
    used.add(waiter)
    proton.get_waiter(waiter).wait(WaiterConfig={"Delay": 1, "MaxAttempts": 60}, **arguments)


def bundle(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    s3.put_object(Bucket="waiters", Key="bundle", Body=buffer.getvalue())
    return {"s3": {"bucket": "waiters", "key": "bundle"}}


def arn(resource):
    return f"arn:aws:proton:{region}:{account}:{resource}"


def notify(resource, status="SUCCEEDED"):
    """Says how the deployment of a resource ended, once there is one."""
    for _ in range(300):
        try:
            proton.notify_resource_deployment_status_change(resourceArn=resource, status=status)
            return
        except ClientError as e:
            if e.response["Error"]["Code"] != "ConflictException":
                raise
        time.sleep(0.1)
    sys.exit(f"no deployment of {resource} begins")


manifest = "infrastructure:\n  templates:\n    - file: t.yaml\n      rendering_engine: jinja\n      template_language: cloudformation\n"
schema = 'schema:\n  format:\n    openapi: "3.0.0"\n  {}\n  types:\n    In:\n      type: object\n      properties: {{}}\n'
template = "Resources: {}\n"
s3.create_bucket(Bucket="waiters", CreateBucketConfiguration={"LocationConstraint": region})

proton.create_environment_template(name="network")
made = proton.create_environment_template_version(templateName="network", source=bundle({
    "schema/schema.yaml": schema.format("environment_input_type: In"), "infrastructure/manifest.yaml": manifest, "infrastructure/t.yaml": template}))["environmentTemplateVersion"]
version = {"templateName": "network", "majorVersion": made["majorVersion"], "minorVersion": made["minorVersion"]}
wait("environment_template_version_registered", **version)
proton.update_environment_template_version(status="PUBLISHED", **version)

proton.create_service_template(name="mail")
made = proton.create_service_template_version(templateName="mail", compatibleEnvironmentTemplates=[{"templateName": "network", "majorVersion": "1"}], source=bundle({
    "schema/schema.yaml": schema.format("service_input_type: In\n  pipeline_input_type: In"), "instance_infrastructure/manifest.yaml": manifest,
    "instance_infrastructure/t.yaml": template, "pipeline_infrastructure/manifest.yaml": manifest, "pipeline_infrastructure/t.yaml": template}))["serviceTemplateVersion"]
version = {"templateName": "mail", "majorVersion": made["majorVersion"], "minorVersion": made["minorVersion"]}
wait("service_template_version_registered", **version)
proton.update_service_template_version(status="PUBLISHED", **version)

proton.create_environment(name="shop", templateName="network", templateMajorVersion="1", spec="proton: EnvironmentSpec\nspec: {}\n", componentRoleArn=role)
notify(arn("environment/shop"))
wait("environment_deployed", name="shop")

spec = "proton: ServiceSpec\npipeline: {}\ninstances:\n- name: dev\n  environment: shop\n  spec: {}\n"
proton.create_service(name="mail", templateName="mail", templateMajorVersion="1", spec=spec, repositoryId="team/code", branchName="main",
                      repositoryConnectionArn=f"arn:aws:codestar-connections:{region}:{account}:connection/code")
pipeline = proton.get_service(name="mail")["service"]["pipeline"]["arn"]
dev = arn("service/mail/service-instance/dev")
for resource in (dev, pipeline):
    notify(resource)
wait("service_created", name="mail")
wait("service_instance_deployed", serviceName="mail", name="dev")
wait("service_pipeline_deployed", name="mail")

proton.create_component(name="extra", environmentName="shop", templateFile=template, manifest=manifest)
notify(arn("component/extra"))
wait("component_deployed", name="extra")
proton.delete_component(name="extra")
notify(arn("component/extra"))
wait("component_deleted", name="extra")

proton.update_service(name="mail", spec=spec + "- name: test\n  environment: shop\n  spec: {}\n")
notify(arn("service/mail/service-instance/test"))
wait("service_updated", name="mail")

# A waiter that waits for what fails ends with an error, and not at the end of its time.
proton.update_environment(name="shop", deploymentType="CURRENT_VERSION", spec="proton: EnvironmentSpec\nspec: {}\n")
notify(arn("environment/shop"), "FAILED")
try:
    wait("environment_deployed", name="shop")
    sys.exit("waiting for what has failed succeeded")
except WaiterError as e:
    assert "terminal failure" in str(e), e

proton.delete_service(name="mail")
threads = [threading.Thread(target=notify, args=(r,)) for r in (dev, pipeline, arn("service/mail/service-instance/test"))]
for t in threads:
    t.start()
wait("service_deleted", name="mail")
for t in threads:
    t.join()

missing = set(proton.waiter_names) - used
assert not missing, missing
print("all waiters have ended")
