"""Makes mistakes, and says as one line of JSON each what boto3 makes of the answers."""

import json
import sys

import boto3
from botocore.exceptions import ClientError, WaiterError

GOOD_IMAGE_ID, DYING_IMAGE_ID = sys.argv[1:3]

with open("config.json", encoding="utf-8") as file:
    CONFIG = json.load(file)

GROUP_ARN = CONFIG["target-group"]["arn"]
NOTHING = "0123456789abcdef0"
UNKNOWN_ID = f"i-{NOTHING}"
UNKNOWN_ARN = GROUP_ARN[: GROUP_ARN.index("targetgroup/")] + "targetgroup/nobodys/0123456789abcdef"

ec2 = boto3.client("ec2")
elbv2 = boto3.client("elbv2")


def run(image_id=GOOD_IMAGE_ID, **parameters):
    return ec2.run_instances(
        ImageId=image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1, **parameters
    )


MISTAKES = [
    ("a dry run", lambda: run(DryRun=True)),
    ("an unknown image", lambda: run(f"ami-{NOTHING}")),
    ("an unknown key pair", lambda: run(KeyName="nobodys")),
    ("an unknown instance", lambda: ec2.describe_instances(InstanceIds=[UNKNOWN_ID])),
    ("no instance id", lambda: ec2.terminate_instances(InstanceIds=["web-1"])),
    ("an action that is not simulated", lambda: ec2.describe_vpcs()),
    ("an unknown group", lambda: elbv2.describe_target_health(TargetGroupArn=UNKNOWN_ARN)),
    ("no group ARN", lambda: elbv2.describe_target_health(TargetGroupArn="my-targets")),
    (
        "a target that does not run",
        lambda: elbv2.register_targets(TargetGroupArn=GROUP_ARN, Targets=[{"Id": UNKNOWN_ID}]),
    ),
]


def mistake(name, act):
    try:
        act()
    except ClientError as error:
        metadata = error.response["ResponseMetadata"]
        return {
            "mistake": name,
            "class": type(error).__name__,
            "text": str(error),
            "status": metadata["HTTPStatusCode"],
            "hasRequestId": bool(metadata.get("RequestId")),
            "retries": metadata["RetryAttempts"],
            **error.response["Error"],
        }
    return {"mistake": name}


def wait_for_one_that_dies():
    instance_id = run(DYING_IMAGE_ID)["Instances"][0]["InstanceId"]
    config = {"Delay": 1, "MaxAttempts": 100}
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id], WaiterConfig=config)
    except WaiterError as error:
        return {"mistake": "to wait for one that dies", "text": str(error)}
    return {"mistake": "to wait for one that dies"}


for name, act in MISTAKES:
    print(json.dumps(mistake(name, act)))
print(json.dumps(wait_for_one_that_dies()))
