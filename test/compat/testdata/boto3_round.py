"""A round with boto3 through every service: what it stores comes back, what it may not do is refused."""

import hashlib
import io
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = os.environ["AWS_ENDPOINT_URL"]
config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})


def client(name, session=boto3):
    return session.client(name, endpoint_url=endpoint, config=config)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
    else:
        sys.exit(f"not refused with {code}: {call.__name__}")


kms, s3, iam, sts, trail = (client(n) for n in ("kms", "s3", "iam", "sts", "cloudtrail"))
account = sts.get_caller_identity()["Account"]

key = kms.create_key(Description="boto3", Tags=[{"TagKey": "made", "TagValue": "by boto3"}])["KeyMetadata"]
kms.create_alias(AliasName="alias/boto3", TargetKeyId=key["KeyId"])
sealed = kms.encrypt(KeyId="alias/boto3", Plaintext=b"text", EncryptionContext={"a": "b"})["CiphertextBlob"]
assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b"})["Plaintext"] == b"text"
refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=sealed, EncryptionContext={"a": "c"})
assert [p for page in kms.get_paginator("list_keys").paginate() for p in page["Keys"]]

bucket = "boto3-round"
s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_REGION"]})
s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]}, "BucketKeyEnabled": True}]})
body = os.urandom(20 << 20)
s3.upload_fileobj(io.BytesIO(body), bucket, "dir/größe 1.bin", ExtraArgs={"Metadata": {"who": "boto3"}}, Config=TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=6 << 20))
head = s3.head_object(Bucket=bucket, Key="dir/größe 1.bin")
assert head["ServerSideEncryption"] == "aws:kms" and head["SSEKMSKeyId"] == key["Arn"] and head["BucketKeyEnabled"], head
assert head["Metadata"] == {"who": "boto3"}, head
back = io.BytesIO()
s3.download_fileobj(bucket, "dir/größe 1.bin", back)
assert hashlib.sha256(back.getvalue()).digest() == hashlib.sha256(body).digest()
for algorithm in ("CRC32", "SHA1", "SHA256"):
    s3.put_object(Bucket=bucket, Key=algorithm, Body=b"x" * 1000, ChecksumAlgorithm=algorithm)
    assert s3.get_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")["Body"].read() == b"x" * 1000
s3.copy({"Bucket": bucket, "Key": "dir/größe 1.bin"}, bucket, "copy")
assert s3.get_object(Bucket=bucket, Key="copy", Range="bytes=100-199")["Body"].read() == body[100:200]
listing = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
assert [p["Prefix"] for p in listing["CommonPrefixes"]] == ["dir/"] and len(listing["Contents"]) == 4, listing

iam.create_user(UserName="boto")
made = iam.create_access_key(UserName="boto")["AccessKey"]
iam.put_user_policy(UserName="boto", PolicyName="s3", PolicyDocument='{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}')
user = boto3.Session(aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
refused("AccessDenied", client("s3", user).get_object, Bucket=bucket, Key="copy")
refused("AccessDenied", client("iam", user).list_users)
assert iam.get_user_policy(UserName="boto", PolicyName="s3")["PolicyDocument"]["Version"] == "2012-10-17"

trust = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}}' % account
iam.create_role(RoleName="boto", AssumeRolePolicyDocument=trust)
iam.attach_role_policy(RoleName="boto", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
granted = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/boto", RoleSessionName="round")["Credentials"]
role = boto3.Session(aws_access_key_id=granted["AccessKeyId"], aws_secret_access_key=granted["SecretAccessKey"], aws_session_token=granted["SessionToken"])
assert client("sts", role).get_caller_identity()["Arn"] == f"arn:aws:sts::{account}:assumed-role/boto/round"
assert client("s3", role).list_objects_v2(Bucket=bucket)["KeyCount"] == 5
refused("AccessDenied", client("s3", role).delete_object, Bucket=bucket, Key="copy")

events = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "AssumeRole"}])["Events"]
assert len(events) == 1 and events[0]["EventSource"] == "sts.amazonaws.com", events

kms.disable_key(KeyId=key["KeyId"])
refused("KMS.DisabledException", s3.get_object, Bucket=bucket, Key="copy")
refused("DisabledException", kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x")
print("the round is complete")
