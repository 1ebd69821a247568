"""A rolling update as it is often scripted: no target is deregistered, no request is waited for.

For each target: launch an instance in the same subnet, wait until it runs and passes its status checks, register it,
wait until it is in service, and terminate the old one.
"""

import json
import sys

import boto3

IMAGE_ID = sys.argv[1]

with open("config.json", encoding="utf-8") as file:
    CONFIG = json.load(file)

GROUP_ARN = CONFIG["target-group"]["arn"]

ec2 = boto3.client("ec2")
elbv2 = boto3.client("elbv2")


def wait(client, waiter, **parameters):
    """Every second: simulated time passes faster than real time."""
    config = {"Delay": 1, "MaxAttempts": 100}
    client.get_waiter(waiter).wait(**parameters, WaiterConfig=config)


def subnet_of(instance_id):
    answer = ec2.describe_instances(InstanceIds=[instance_id])
    return answer["Reservations"][0]["Instances"][0]["SubnetId"]


def launch(subnet_id):
    tags = [{"Key": "Name", "Value": CONFIG["version"]}]
    answer = ec2.run_instances(
        ImageId=IMAGE_ID,
        InstanceType=CONFIG["instance-type"],
        KeyName=CONFIG["ssh-key"],
        SecurityGroupIds=CONFIG["security-group-id"],
        SubnetId=subnet_id,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        MinCount=1,
        MaxCount=1,
    )
    return answer["Instances"][0]["InstanceId"]


def replace(old_id, port):
    new_id = launch(subnet_of(old_id))
    wait(ec2, "instance_running", InstanceIds=[new_id])
    wait(ec2, "instance_status_ok", InstanceIds=[new_id])
    group = {"TargetGroupArn": GROUP_ARN, "Targets": [{"Id": new_id, "Port": port}]}
    elbv2.register_targets(**group)
    wait(elbv2, "target_in_service", **group)
    ec2.terminate_instances(InstanceIds=[old_id])
    wait(ec2, "instance_terminated", InstanceIds=[old_id])
    print(f"{old_id} is replaced by {new_id}", flush=True)


def main():
    health = elbv2.describe_target_health(TargetGroupArn=GROUP_ARN)
    for description in health["TargetHealthDescriptions"]:
        target = description["Target"]
        replace(target["Id"], target["Port"])


main()
