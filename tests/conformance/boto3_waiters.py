"""The whole life of one instance, with the waiters of boto3 between its steps.

Says each step as one line of JSON when it is done.
"""

import json
import sys
import time

import boto3

IMAGE_ID, PORT = sys.argv[1], int(sys.argv[2])

with open("config.json", encoding="utf-8") as file:
    CONFIG = json.load(file)

GROUP_ARN = CONFIG["target-group"]["arn"]

ec2 = boto3.client("ec2")
elbv2 = boto3.client("elbv2")


def say(step, **details):
    print(json.dumps({"step": step, **details}), flush=True)


def wait(client, waiter, **parameters):
    """Every second: simulated time passes faster than real time."""
    config = {"Delay": 1, "MaxAttempts": 100}
    client.get_waiter(waiter).wait(**parameters, WaiterConfig=config)


def settled(read, wanted):
    """What is read once it is as wanted, or at last: a read may lag behind the one that ended a wait."""
    answer = read()
    for _ in range(100):
        if answer == wanted:
            break
        time.sleep(0.05)
        answer = read()
    return answer


def launch():
    subnet = ec2.describe_subnets()["Subnets"][0]
    answer = ec2.run_instances(
        ImageId=IMAGE_ID,
        InstanceType=CONFIG["instance-type"],
        KeyName=CONFIG["ssh-key"],
        SecurityGroupIds=CONFIG["security-group-id"],
        SubnetId=subnet["SubnetId"],
        MinCount=1,
        MaxCount=1,
    )
    return answer["Instances"][0]


def state_of(instance_id):
    answer = ec2.describe_instances(InstanceIds=[instance_id])
    return answer["Reservations"][0]["Instances"][0]["State"]["Name"]


def checks_of(instance_id):
    answer = ec2.describe_instance_status(InstanceIds=[instance_id])
    status = answer["InstanceStatuses"][0]
    return [status["InstanceStatus"]["Status"], status["SystemStatus"]["Status"]]


def health_of(target):
    answer = elbv2.describe_target_health(TargetGroupArn=GROUP_ARN, Targets=[target])
    health = answer["TargetHealthDescriptions"][0]["TargetHealth"]
    return [health["State"], health.get("Reason")]


def main():
    instance = launch()
    instance_id = instance["InstanceId"]
    target = {"Id": instance_id, "Port": PORT}
    group = {"TargetGroupArn": GROUP_ARN, "Targets": [target]}
    say("launched", instance=instance_id, state=instance["State"]["Name"])

    wait(ec2, "instance_running", InstanceIds=[instance_id])
    say("instance_running", state=settled(lambda: state_of(instance_id), "running"))

    wait(ec2, "instance_status_ok", InstanceIds=[instance_id])
    say("instance_status_ok", checks=settled(lambda: checks_of(instance_id), ["ok", "ok"]))

    elbv2.register_targets(**group)
    wait(elbv2, "target_in_service", **group)
    in_service = ["healthy", None]
    say("target_in_service", health=settled(lambda: health_of(target), in_service))

    elbv2.deregister_targets(**group)
    wait(elbv2, "target_deregistered", **group)
    gone = ["unused", "Target.NotRegistered"]
    say("target_deregistered", health=settled(lambda: health_of(target), gone))

    ec2.terminate_instances(InstanceIds=[instance_id])
    wait(ec2, "instance_terminated", InstanceIds=[instance_id])
    say("instance_terminated", state=settled(lambda: state_of(instance_id), "terminated"))


main()
