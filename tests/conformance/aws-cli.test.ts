/*
 * Goal: whoever knows AWS by its CLI finds the simulated one no different, from the first look around to the last error.
 * Method: the CLI works against `zero-deploy simulate --serve`, and what it makes of the answers is compared with what
 * AWS answers. Each test takes the speed at which the states it is about last long enough to be seen by a program that
 * takes a second to start; states are awaited by asking again, for reads may lag behind.
 */
import type { DescribeInstancesCommandOutput, Instance, Reservation } from "@aws-sdk/client-ec2";
import type { DescribeTargetHealthCommandOutput } from "@aws-sdk/client-elastic-load-balancing-v2";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { cleanUp } from "./program.ts";
import {
  endTools,
  isAwsHere,
  SERVING_PORT,
  type Simulation,
  skipWithoutAws,
  startSimulation,
  until,
} from "./simulation.ts";

/** Several times as long as it takes, for machines with much else to do. */
const lifeMs = 400_000;

/** Ids of the right form that nothing has. */
const nothing = "0123456789abcdef0";
const unknownGroup =
  "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/nobodys/0123456789abcdef";

/** For all tests that need no more of the fleet than that it is there. */
let fleet: Simulation;

beforeAll(async () => {
  // More than the smallest page of EC2 holds.
  if (isAwsHere) fleet = await startSimulation("--instances", "7");
});
beforeEach(skipWithoutAws);
afterAll(async () => {
  await endTools();
  await cleanUp();
});

describe.concurrent("a look around", () => {
  it("finds the caller", async () => {
    expect(await fleet.aws("sts get-caller-identity")).toEqual({
      UserId: expect.stringMatching(/^AIDA[A-Z0-9]+$/),
      Account: "123456789012",
      Arn: expect.stringMatching(/^arn:aws:iam::123456789012:user\/\w+$/),
    });
  });

  it("finds images, and those of some filters", async () => {
    const filters = "Name=name,Values=app-00* Name=state,Values=available";
    const [all, some, none, one] = await Promise.all([
      fleet.aws<Images>("ec2 describe-images --owners self"),
      fleet.aws<Images>(`ec2 describe-images --filters ${filters}`),
      fleet.aws("ec2 describe-images --owners amazon"),
      fleet.aws(`ec2 describe-images --image-ids ${IMAGES.good}`),
    ]);
    expect(all.Images).toHaveLength(7);
    expect(some.Images.map(({ Name }) => Name).sort()).toEqual([
      "app-00001d",
      "app-005105",
      "app-00dead",
    ]);
    expect(none).toEqual({ Images: [] });
    expect(one).toMatchObject({
      Images: [
        {
          ImageId: IMAGES.good,
          State: "available",
          OwnerId: "123456789012",
          Architecture: "x86_64",
          RootDeviceType: "ebs",
          RootDeviceName: "/dev/xvda",
          VirtualizationType: "hvm",
          EnaSupport: true,
          BlockDeviceMappings: [
            { DeviceName: "/dev/xvda", Ebs: { VolumeSize: 8, DeleteOnTermination: true } },
          ],
        },
      ],
    });
  });

  it("finds the network of an instance, its key pair and its volume", async () => {
    const [{ Reservations = [] }, zoned] = await Promise.all([
      fleet.aws<DescribeInstancesCommandOutput>(
        `ec2 describe-instances --filters Name=image-id,Values=${IMAGES.old}`,
      ),
      fleet.aws("ec2 describe-subnets --filters Name=availability-zone,Values=eu-west-1b"),
    ]);
    const instance = onlyInstance(Reservations[0]);
    const { SubnetId, VpcId, SecurityGroups, InstanceId } = instance;
    expect(instance).toMatchObject({
      State: { Code: 16, Name: "running" },
      Placement: { AvailabilityZone: "eu-west-1a" },
      PrivateIpAddress: expect.stringMatching(/^10\.0\.0\.\d+$/),
      Tags: expect.arrayContaining([{ Key: "Name", Value: "v1" }]),
    });
    const volumeId = instance.BlockDeviceMappings?.[0]?.Ebs?.VolumeId;
    const groupId = SecurityGroups?.[0]?.GroupId;
    const [subnets, groups, keys, volumes, ofInstance] = await Promise.all([
      fleet.aws(`ec2 describe-subnets --subnet-ids ${SubnetId}`),
      fleet.aws(`ec2 describe-security-groups --filters Name=vpc-id,Values=${VpcId}`),
      fleet.aws("ec2 describe-key-pairs --key-names my-key"),
      fleet.aws(`ec2 describe-volumes --volume-ids ${volumeId}`),
      fleet.aws(`ec2 describe-volumes --filters Name=attachment.instance-id,Values=${InstanceId}`),
    ]);
    expect(subnets).toMatchObject({
      Subnets: [{ SubnetId, VpcId, AvailabilityZone: "eu-west-1a", State: "available" }],
    });
    expect(zoned).toMatchObject({ Subnets: [{ VpcId, AvailabilityZone: "eu-west-1b" }] });
    expect(groups).toMatchObject({
      SecurityGroups: [
        { GroupId: groupId, GroupName: "app", VpcId },
        { GroupName: "alb", VpcId },
      ],
    });
    expect(keys).toMatchObject({
      KeyPairs: [{ KeyName: "my-key", KeyPairId: expect.stringMatching(/^key-[0-9a-f]{17}$/) }],
    });
    expect(volumes).toMatchObject({
      Volumes: [
        {
          VolumeId: volumeId,
          State: "in-use",
          AvailabilityZone: "eu-west-1a",
          Attachments: [{ InstanceId, Device: "/dev/xvda", State: "attached" }],
        },
      ],
    });
    expect(ofInstance).toEqual(volumes);
  });

  it("finds instance types", async () => {
    const filter = "Name=processor-info.supported-architecture,Values=arm64";
    const [small, arm] = await Promise.all([
      fleet.aws("ec2 describe-instance-types --instance-types t3.micro"),
      fleet.aws<{ InstanceTypes: { InstanceType: string }[] }>(
        `ec2 describe-instance-types --filters ${filter}`,
      ),
    ]);
    expect(small).toMatchObject({
      InstanceTypes: [
        {
          InstanceType: "t3.micro",
          VCpuInfo: { DefaultVCpus: 2 },
          MemoryInfo: { SizeInMiB: 1024 },
          BurstablePerformanceSupported: true,
          ProcessorInfo: { SupportedArchitectures: ["x86_64"] },
        },
      ],
    });
    const names = arm.InstanceTypes.map(({ InstanceType }) => InstanceType);
    expect(names.sort()).toEqual(["m7g.large", "t4g.medium", "t4g.micro"]);
  });

  it("finds the load balancer with its listener, its rule and its target group", async () => {
    const { loadbalancer, "target-group": group } = fleet.config;
    const [balancers, groups, listeners] = await Promise.all([
      fleet.aws("elbv2 describe-load-balancers --names my-load-balancer"),
      fleet.aws(`elbv2 describe-target-groups --load-balancer-arn ${loadbalancer.arn}`),
      fleet.aws<{ Listeners: { ListenerArn: string }[] }>(
        `elbv2 describe-listeners --load-balancer-arn ${loadbalancer.arn}`,
      ),
    ]);
    expect(balancers).toMatchObject({
      LoadBalancers: [
        {
          LoadBalancerArn: loadbalancer.arn,
          // Whoever looks it up there can use it.
          DNSName: new URL(fleet.loadBalancer).host,
          State: { Code: "active" },
          Type: "application",
          AvailabilityZones: ["a", "b", "c"].map((zone) => ({ ZoneName: `eu-west-1${zone}` })),
        },
      ],
    });
    expect(groups).toMatchObject({
      TargetGroups: [
        {
          TargetGroupArn: group.arn,
          Protocol: "HTTP",
          Port: 80,
          TargetType: "instance",
          HealthCheckPort: "traffic-port",
          HealthCheckIntervalSeconds: 30,
          HealthCheckTimeoutSeconds: 5,
          HealthyThresholdCount: 5,
          UnhealthyThresholdCount: 2,
          Matcher: { HttpCode: "200" },
          LoadBalancerArns: [loadbalancer.arn],
        },
      ],
    });
    const forward = { Type: "forward", TargetGroupArn: group.arn };
    expect(listeners).toMatchObject({
      Listeners: [{ Port: 80, Protocol: "HTTP", DefaultActions: [forward] }],
    });
    const listener = listeners.Listeners[0]?.ListenerArn;
    expect(await fleet.aws(`elbv2 describe-rules --listener-arn ${listener}`)).toMatchObject({
      Rules: [{ Priority: "default", IsDefault: true, Conditions: [], Actions: [forward] }],
    });
  });

  it("finds attributes of the target group and of the load balancer", async () => {
    const { loadbalancer, "target-group": group } = fleet.config;
    const [ofGroup, ofBalancer] = await Promise.all([
      fleet.aws<Attributes>(
        `elbv2 describe-target-group-attributes --target-group-arn ${group.arn}`,
      ),
      fleet.aws<Attributes>(
        `elbv2 describe-load-balancer-attributes --load-balancer-arn ${loadbalancer.arn}`,
      ),
    ]);
    expect(ofGroup.Attributes).toEqual(
      expect.arrayContaining([
        { Key: "deregistration_delay.timeout_seconds", Value: "120" },
        { Key: "stickiness.enabled", Value: "false" },
        { Key: "slow_start.duration_seconds", Value: "0" },
      ]),
    );
    expect(ofBalancer.Attributes).toEqual(
      expect.arrayContaining([
        { Key: "idle_timeout.timeout_seconds", Value: "60" },
        { Key: "load_balancing.cross_zone.enabled", Value: "true" },
      ]),
    );
  });

  it("finds the tags that were added, and not those that were removed", async () => {
    const { loadbalancer, "target-group": group } = fleet.config;
    const arns = `--resource-arns ${loadbalancer.arn} ${group.arn}`;
    const described = (Tags: readonly object[]) => ({
      TagDescriptions: [
        { ResourceArn: loadbalancer.arn, Tags },
        { ResourceArn: group.arn, Tags },
      ],
    });
    expect(await fleet.aws(`elbv2 describe-tags ${arns}`)).toEqual(described([]));
    await fleet.aws(`elbv2 add-tags ${arns} --tags Key=team,Value=blue Key=stage,Value=test`);
    expect(await fleet.aws(`elbv2 describe-tags ${arns}`)).toEqual(
      described([
        { Key: "team", Value: "blue" },
        { Key: "stage", Value: "test" },
      ]),
    );
    await fleet.aws(`elbv2 remove-tags ${arns} --tag-keys team nobodys`);
    expect(await fleet.aws(`elbv2 describe-tags ${arns}`)).toEqual(
      described([{ Key: "stage", Value: "test" }]),
    );
  });
});

describe.concurrent("a launch is refused", () => {
  it.each([
    [
      "as a dry run that would succeed",
      `--image-id ${IMAGES.good} --dry-run`,
      "DryRunOperation",
      "Request would have succeeded, but DryRun flag is set.",
    ],
    [
      "as a dry run that would not succeed",
      `--image-id ami-${nothing} --dry-run`,
      "InvalidAMIID.NotFound",
      `The image id '[ami-${nothing}]' does not exist`,
    ],
    [
      "of an unknown AMI",
      `--image-id ami-${nothing}`,
      "InvalidAMIID.NotFound",
      `The image id '[ami-${nothing}]' does not exist`,
    ],
    [
      "of what is no AMI",
      "--image-id app",
      "InvalidAMIID.Malformed",
      'Invalid id: "app" (expecting "ami-...")',
    ],
    [
      "with an unknown key pair",
      `--image-id ${IMAGES.good} --key-name nobodys`,
      "InvalidKeyPair.NotFound",
      "The key pair 'nobodys' does not exist",
    ],
    [
      "in an unknown subnet",
      `--image-id ${IMAGES.good} --subnet-id subnet-${nothing}`,
      "InvalidSubnetID.NotFound",
      `The subnet ID 'subnet-${nothing}' does not exist`,
    ],
    [
      "in an unknown security group",
      `--image-id ${IMAGES.good} --security-group-ids sg-${nothing}`,
      "InvalidGroup.NotFound",
      `The security group 'sg-${nothing}' does not exist`,
    ],
    [
      "with a tag whose key is reserved",
      `--image-id ${IMAGES.good} --tag-specifications ResourceType=instance,Tags=[{Key=aws:x,Value=y}]`,
      "InvalidParameterValue",
      "Tag keys starting with 'aws:' are reserved for internal use",
    ],
    [
      "with a disk smaller than its snapshot",
      `--image-id ${IMAGES.good} --block-device-mappings DeviceName=/dev/xvda,Ebs={VolumeSize=4}`,
      "InvalidBlockDeviceMapping",
      "Volume of size 4GB is smaller than snapshot 'snap-00000000000600d01', expect size >= 8GB",
    ],
  ])("%s", async (_, options, code, message) => {
    const command = `ec2 run-instances --instance-type t3.micro ${options}`;
    expect(await fleet.awsRefuses(command)).toEqual({ code, action: "RunInstances", message });
  });

  it("with the token of another launch; the same launch again is the first one", async () => {
    const launch = `ec2 run-instances --image-id ${IMAGES.good} --client-token only-once`;
    const first = await fleet.aws<Reservation>(`${launch} --instance-type t3.micro`);
    const [again, other] = await Promise.all([
      fleet.aws<Reservation>(`${launch} --instance-type t3.micro`),
      fleet.awsRefuses(`${launch} --instance-type t3.medium`),
    ]);
    expect(again.ReservationId).toBe(first.ReservationId);
    expect(onlyInstance(again).InstanceId).toBe(onlyInstance(first).InstanceId);
    expect(other).toEqual({
      code: "IdempotentParameterMismatch",
      action: "RunInstances",
      message:
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    });
  });
});

describe.concurrent("an id", () => {
  it.each([
    ["ec2 describe-instances --instance-ids", "DescribeInstances"],
    ["ec2 describe-instance-status --instance-ids", "DescribeInstanceStatus"],
    ["ec2 terminate-instances --instance-ids", "TerminateInstances"],
  ])("that is none, or of no instance, fails the whole call: %s", async (command, action) => {
    const [malformed, unknown, several] = await Promise.all([
      fleet.awsRefuses(`${command} web-1`),
      fleet.awsRefuses(`${command} i-${nothing}`),
      fleet.awsRefuses(`${command} i-${nothing} i-0fedcba9876543210`),
    ]);
    expect(malformed).toEqual({
      code: "InvalidInstanceID.Malformed",
      action,
      message: 'Invalid id: "web-1"',
    });
    const code = "InvalidInstanceID.NotFound";
    const message = `The instance ID 'i-${nothing}' does not exist`;
    expect(unknown).toEqual({ code, action, message });
    const ids = `i-${nothing}, i-0fedcba9876543210`;
    expect(several).toEqual({ code, action, message: `The instance IDs '${ids}' do not exist` });
  });

  it.each([
    [
      "ec2 create-tags --tags Key=a,Value=b --resources i-0123456789abcdef0",
      "InvalidInstanceID.NotFound",
      "The instance ID 'i-0123456789abcdef0' does not exist",
    ],
    [
      "ec2 describe-volumes --volume-ids vol-0123456789abcdef0",
      "InvalidVolume.NotFound",
      "The volume 'vol-0123456789abcdef0' does not exist.",
    ],
    [
      "elbv2 register-targets --target-group-arn GROUP --targets Id=web-1",
      "ValidationError",
      "Instance ID 'web-1' is not valid",
    ],
    [
      "elbv2 register-targets --target-group-arn GROUP --targets Id=i-0123456789abcdef0",
      "InvalidTarget",
      "The following targets are not in a running state and cannot be registered: 'i-0123456789abcdef0'",
    ],
    [
      "elbv2 describe-target-health --target-group-arn my-targets",
      "ValidationError",
      "'my-targets' is not a valid target group ARN",
    ],
    [
      `elbv2 describe-target-health --target-group-arn ${unknownGroup}`,
      "TargetGroupNotFound",
      "One or more target groups not found",
    ],
    [
      "elbv2 describe-load-balancers --names nobodys",
      "LoadBalancerNotFound",
      "One or more load balancers not found",
    ],
  ])("that names nothing is refused: %s", async (command, code, message) => {
    const withGroup = command.replace("GROUP", fleet.config["target-group"].arn);
    expect(await fleet.awsRefuses(withGroup)).toMatchObject({ code, message });
  });

  it("that never was a target is unused, and to deregister it succeeds", async () => {
    const named = `--target-group-arn ${fleet.config["target-group"].arn} --targets Id=i-${nothing}`;
    const [health, answer] = await Promise.all([
      fleet.aws(`elbv2 describe-target-health ${named}`),
      fleet.aws(`elbv2 deregister-targets ${named}`),
    ]);
    expect(health).toMatchObject({
      TargetHealthDescriptions: [
        {
          // The port of the target group.
          Target: { Id: `i-${nothing}`, Port: 80 },
          HealthCheckPort: "80",
          TargetHealth: {
            State: "unused",
            Reason: "Target.NotRegistered",
            Description: "Target is not registered to the target group",
          },
        },
      ],
    });
    expect(answer).toBeUndefined();
  });
});

describe.concurrent("pages", () => {
  const old = `--filters Name=image-id,Values=${IMAGES.old}`;

  it("of instances add up to all of them", async () => {
    const { Reservations: all } = await fleet.aws<Page>(`ec2 describe-instances ${old}`);
    expect(all).toHaveLength(7);
    const paged = await fleet.aws<Page>(`ec2 describe-instances ${old} --page-size 5`);
    expect(paged.Reservations).toEqual(all);
    // Six items are the first page and one of the second.
    const first = await fleet.aws<Page>(
      `ec2 describe-instances ${old} --page-size 5 --max-items 6`,
    );
    expect(first.Reservations).toEqual(all.slice(0, 6));
    const next = `--page-size 5 --starting-token ${first.NextToken}`;
    const second = await fleet.aws<Page>(`ec2 describe-instances ${old} ${next}`);
    expect(second.Reservations).toEqual(all.slice(6));
    expect(second.NextToken).toBeUndefined();
  });

  it("as EC2 itself makes them go on where the last one ended", async () => {
    const first = await fleet.aws<Page>(`ec2 describe-instances ${old} --max-results 5`);
    const second = await fleet.aws<Page>(
      `ec2 describe-instances ${old} --max-results 5 --next-token ${first.NextToken}`,
    );
    const ids = [first, second].map(({ Reservations }) =>
      Reservations.map((reservation) => onlyInstance(reservation).InstanceId),
    );
    expect(ids.map((page) => page.length)).toEqual([5, 2]);
    expect(new Set(ids.flat()).size).toBe(7);
    expect(first.NextToken).toBeTypeOf("string");
    expect(second.NextToken).toBeUndefined();
  });

  it("of load balancing go on at their marker", async () => {
    const limits = "elbv2 describe-account-limits";
    const all = await fleet.aws<Limits>(limits);
    const [first, paged] = await Promise.all([
      fleet.aws<Limits>(`${limits} --page-size 3`),
      fleet.aws<Limits>(`${limits} --max-items 2`),
    ]);
    expect(first.Limits).toEqual(all.Limits.slice(0, 3));
    expect(paged.Limits).toEqual(all.Limits.slice(0, 2));
    const [second, rest] = await Promise.all([
      fleet.aws<Limits>(`${limits} --page-size 3 --marker ${first.NextMarker}`),
      fleet.aws<Limits>(`${limits} --starting-token ${paged.NextToken}`),
    ]);
    expect(second.Limits).toEqual(all.Limits.slice(3, 6));
    expect(rest.Limits).toEqual(all.Limits.slice(2));
    const groups = "elbv2 describe-target-groups";
    expect(await fleet.aws(`${groups} --page-size 1`)).toEqual(await fleet.aws(groups));
  });

  it("are refused where they cannot be", async () => {
    const small = "ec2 describe-instances --page-size 4";
    const withIds = `ec2 describe-instances --max-results 5 --instance-ids i-${nothing}`;
    const [tooSmall, ids] = await Promise.all([fleet.awsRefuses(small), fleet.awsRefuses(withIds)]);
    expect(tooSmall).toEqual({
      code: "InvalidParameterValue",
      action: "DescribeInstances",
      message: expect.stringMatching(/^Value \( 4 \) for parameter maxResults is invalid\./),
    });
    expect(ids).toEqual({
      code: "InvalidParameterCombination",
      action: "DescribeInstances",
      message: "The parameter instancesSet cannot be used with the parameter maxResults",
    });
  });
});

describe.concurrent("what no client of AWS would send is refused", () => {
  it.each([
    ["DescribeNothing", "2016-11-15", "Response", "RequestID"],
    ["DescribeNothing", "2015-12-01", "ErrorResponse", "RequestId"],
    ["DescribeNothing", "2011-06-15", "ErrorResponse", "RequestId"],
  ])("the unknown action %s of version %s", async (Action, Version, envelope, requestId) => {
    const { status, id, body } = await post({ Action, Version });
    expect(status).toBe(400);
    expect(body).toContain("<Code>InvalidAction</Code>");
    expect(body).toContain("<Message>The action DescribeNothing is not valid for this web service");
    expect(body).toMatch(new RegExp(`^<\\?xml [^>]*>\\s*<${envelope}[ >]`));
    expect(body).toContain(`<${requestId}>${id}</${requestId}>`);
  });

  it.each([
    ["EC2", "DescribeInstances", "2016-11-15", "UnknownParameter"],
    ["load balancing", "DescribeTargetGroups", "2015-12-01", "ValidationError"],
  ])("an unknown parameter of %s", async (_, Action, Version, code) => {
    const { status, body } = await post({ Action, Version, Colour: "blue" });
    expect(status).toBe(400);
    expect(body).toContain(`<Code>${code}</Code>`);
    expect(body).toContain("The parameter Colour is not recognized");
  });

  it("an unknown version, and an unknown service", async () => {
    const signed = "AWS4-HMAC-SHA256 Credential=simulated/20260101/eu-west-1/ec2/aws4_request";
    const old = await post({ Action: "DescribeInstances", Version: "2010-01-01" }, signed);
    expect(old.body).toContain("<Code>NoSuchVersion</Code>");
    const other = await post({ Action: "ListBuckets", Version: "2006-03-01" });
    expect(other.status).toBe(400);
  });
});

describe.concurrent("the life of an instance", () => {
  it("goes from pending to terminated, and that of its target from initial to gone", {
    timeout: lifeMs,
  }, async () => {
    const delaySeconds = 160;
    const simulation = await startSimulation(
      ...["--speed", "8", "--instances", "1"],
      ...["--deregistration-delay", String(delaySeconds)],
    );
    const { aws, awsRefuses, config } = simulation;
    const [, launch] = await launchLike(simulation);
    const onceMore = `${launch} --image-id ${IMAGES.good} --client-token the-life-of-one`;

    const launched = onlyInstance(await aws<Reservation>(onceMore));
    expect(launched).toMatchObject({
      State: { Code: 0, Name: "pending" },
      StateReason: { Code: "pending", Message: "pending" },
      StateTransitionReason: "",
      ImageId: IMAGES.good,
      ClientToken: "the-life-of-one",
      BlockDeviceMappings: [],
      Tags: [{ Key: "Name", Value: "mine" }],
    });
    const id = launched.InstanceId ?? "";
    const look = () => instanceNow(simulation, id);
    const isIn = (state: string) => (instance: Instance | undefined) =>
      instance?.State?.Name === state;

    const status = () => aws<Statuses>(`ec2 describe-instance-status --instance-ids ${id}`);
    const [running, begun] = await Promise.all([
      until(look, isIn("running")),
      // Lagging reads may not know the id yet.
      until(
        () => status().catch(whileUnknown),
        (answer) => answer?.InstanceStatuses[0] !== undefined,
      ),
    ]);
    expect(running).toMatchObject({
      State: { Code: 16, Name: "running" },
      PrivateIpAddress: launched.PrivateIpAddress,
      BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { Status: "attached" } }],
    });
    expect(running).not.toHaveProperty("StateReason");
    expect(begun).toMatchObject(statusOf(id, "initializing", "initializing"));
    await aws(`ec2 create-tags --resources ${id} --tags Key=Name,Value=yours Key=team,Value=blue`);
    const tagged = await until(look, (instance) => instance?.Tags?.length === 2);
    expect(tagged?.Tags).toEqual([
      { Key: "Name", Value: "yours" },
      { Key: "team", Value: "blue" },
    ]);
    const passed = await until(status, (answer) => JSON.stringify(answer).includes('"passed"'));
    expect(passed).toMatchObject(statusOf(id, "ok", "passed"));

    const deafPort = 9;
    const group = `--target-group-arn ${config["target-group"].arn}`;
    const both = `${group} --targets Id=${id},Port=${SERVING_PORT} Id=${id},Port=${deafPort}`;
    expect(await aws(`elbv2 register-targets ${both}`)).toBeUndefined();
    const health = async () =>
      targetsOf(
        await aws<DescribeTargetHealthCommandOutput>(`elbv2 describe-target-health ${both}`),
      );
    const checked = await until(health, ([serving, deaf]) => {
      return serving?.includes(" healthy") === true && deaf?.includes(" unhealthy") === true;
    });
    expect(checked).toEqual([
      `${SERVING_PORT} healthy`,
      `${deafPort} unhealthy Target.FailedHealthChecks: Health checks failed`,
    ]);

    // Not on the group's own port, which is meant where none is said.
    expect(await aws(`elbv2 deregister-targets ${group} --targets Id=${id}`)).toBeUndefined();
    await aws(`elbv2 deregister-targets ${group} --targets Id=${id},Port=${deafPort}`);
    const isDraining = (target: string | undefined) => target?.includes(" draining ") === true;
    const draining =
      "draining Target.DeregistrationInProgress: Target deregistration is in progress";
    expect(await until(health, ([, deaf]) => isDraining(deaf))).toEqual([
      `${SERVING_PORT} healthy`,
      `${deafPort} ${draining}`,
    ]);

    await aws(`elbv2 deregister-targets ${group} --targets Id=${id},Port=${SERVING_PORT}`);
    const left = await simulation.said(
      `DeregisterTargets: target ${id}:${SERVING_PORT} is draining`,
    );
    const list = async () =>
      targetsOf(
        await aws<DescribeTargetHealthCommandOutput>(`elbv2 describe-target-health ${group}`),
        id,
      );
    const leaving = `${SERVING_PORT} ${draining}`;
    expect(await until(list, (targets) => targets.includes(leaving))).toContain(leaving);
    const gone = await until(health, ([serving]) => serving?.includes(" unused ") === true);
    expect(gone[0]).toBe(
      `${SERVING_PORT} unused Target.NotRegistered: Target is not registered to the target group`,
    );
    expect(await until(list, (targets) => targets.length === 0)).toEqual([]);

    const terminate = `ec2 terminate-instances --instance-ids ${id}`;
    expect(await aws(terminate)).toEqual(termination(id, "running", "shutting-down"));
    const began = await simulation.said(`TerminateInstances: instance ${id} is shutting-down`);
    // The target was seen to be gone before the instance was terminated: that was no sooner than AWS lets it go.
    expect(secondsFrom(left, began)).toBeGreaterThanOrEqual(delaySeconds);

    const terminated = await until(look, isIn("terminated"));
    expect(terminated).toMatchObject({ State: { Code: 48, Name: "terminated" }, ...byUser });
    expect(terminated?.Tags).toEqual(tagged?.Tags);
    expect(terminated).not.toHaveProperty("PrivateIpAddress");
    expect(terminated).not.toHaveProperty("SubnetId");
    const volume = running?.BlockDeviceMappings?.[0]?.Ebs?.VolumeId;
    const [last, token, volumes] = await Promise.all([
      aws(terminate),
      awsRefuses(onceMore),
      until(
        () => aws(`ec2 describe-volumes --filters Name=volume-id,Values=${volume}`),
        (answer) => !JSON.stringify(answer).includes("VolumeId"),
      ),
    ]);
    expect(last).toEqual(termination(id, "terminated", "terminated"));
    expect(token).toMatchObject({
      code: "IdempotentInstanceTerminated",
      message: expect.stringMatching(
        /^The client token you have provided is associated with a terminated instance\./,
      ),
    });
    expect(volumes).toEqual({ Volumes: [] });

    // Who goes about it this way loses nothing.
    const { exitCode, last: verdict } = await simulation.stop();
    expect(exitCode).toBe(0);
    expect(verdict).toMatchObject({ event: "report", failed: 0, launched: 1, violations: [] });
  });

  it("is shutting down for a while, and to terminate it again changes nothing", async () => {
    const simulation = await startSimulation("--speed", "2", "--instances", "1");
    const { aws } = simulation;
    const [, launch] = await launchLike(simulation);
    const launched = await aws<Reservation>(`${launch} --image-id ${IMAGES.good}`);
    const { InstanceId: id = "" } = onlyInstance(launched);
    const look = () => instanceNow(simulation, id);
    await until(look, (instance) => instance?.State?.Name === "running");
    const terminate = `ec2 terminate-instances --instance-ids ${id}`;
    expect(await aws(terminate)).toEqual(termination(id, "running", "shutting-down"));
    const [again, ending] = await Promise.all([
      aws(terminate),
      until(look, (instance) => instance?.State?.Name === "shutting-down"),
    ]);
    expect(again).toEqual(termination(id, "shutting-down", "shutting-down"));
    expect(ending).toMatchObject({ State: { Code: 32, Name: "shutting-down" }, ...byUser });
  });

  it("is pending at first, and no target then", async () => {
    const simulation = await startSimulation("--speed", "1", "--instances", "1");
    const { aws, awsRefuses, config } = simulation;
    const [, launch] = await launchLike(simulation);
    const launched = await aws<Reservation>(`${launch} --image-id ${IMAGES.good}`);
    const { InstanceId: id = "" } = onlyInstance(launched);
    const register = `elbv2 register-targets --target-group-arn ${config["target-group"].arn}`;
    const status = "ec2 describe-instance-status";
    const [all, running, refused] = await Promise.all([
      // By a filter, for which an id that a lagging read does not know yet is no error.
      until(
        () =>
          aws<Statuses>(
            `${status} --include-all-instances --filters Name=instance-state-name,Values=pending`,
          ),
        ({ InstanceStatuses }) => InstanceStatuses.length > 0,
      ),
      until(
        () => aws<Statuses>(`${status} --instance-ids ${id}`).catch(whileUnknown),
        (answer) => answer !== undefined,
      ),
      awsRefuses(`${register} --targets Id=${id},Port=${SERVING_PORT}`),
    ]);
    expect(all).toEqual({
      InstanceStatuses: [
        expect.objectContaining({
          InstanceId: id,
          InstanceState: { Code: 0, Name: "pending" },
          SystemStatus: expect.objectContaining({ Status: "not-applicable" }),
          InstanceStatus: expect.objectContaining({ Status: "not-applicable" }),
        }),
      ],
    });
    // Asked for by its id, it is there, but does not run.
    expect(running).toEqual({ InstanceStatuses: [] });
    expect(refused).toEqual({
      code: "InvalidTarget",
      action: "RegisterTargets",
      message: `The following targets are not in a running state and cannot be registered: '${id}'`,
    });
  });

  it("ends before it runs with an AMI that dies, and says why", async () => {
    const launch = `ec2 run-instances --instance-type t3.micro --image-id ${IMAGES.dies}`;
    const launched = onlyInstance(await fleet.aws<Reservation>(launch));
    expect(launched.State?.Name).toBe("pending");
    const { InstanceId: id = "" } = launched;
    const dead = await until(
      () => instanceNow(fleet, id),
      (instance) => instance?.State?.Name === "terminated",
    );
    expect(dead).toMatchObject({
      StateReason: {
        Code: "Server.InternalError",
        Message: "Client.VolumeLimitExceeded: Volume limit exceeded",
      },
      StateTransitionReason: "",
    });
  });

  it("begins, for its target, with one reason to be initial and then another", async () => {
    const simulation = await startSimulation("--speed", "1", "--instances", "1");
    const { aws, config } = simulation;
    const [old] = await launchLike(simulation);
    const group = `--target-group-arn ${config["target-group"].arn}`;
    const ports = [9, 10, 11, 12, 13, 14];
    // Each target is registered in a time of its own.
    const targets = ports.map((port) => `Id=${old.InstanceId},Port=${port}`).join(" ");
    await aws(`elbv2 register-targets ${group} --targets ${targets}`);
    const health = async () =>
      targetsOf(
        await aws<DescribeTargetHealthCommandOutput>(
          `elbv2 describe-target-health ${group} --targets ${targets}`,
        ),
      );
    const registering = "initial Elb.RegistrationInProgress: Target registration is in progress";
    const checking = "initial Elb.InitialHealthChecking: Initial health checks in progress";
    const seen = new Set<string>();
    await until(health, (answer) => {
      for (const target of answer) seen.add(target.replace(/^\d+ /, ""));
      return answer.every((target) => target.endsWith(checking));
    });
    expect([...seen]).toEqual(expect.arrayContaining([registering, checking]));
  });
});

/** Images as the CLI shows them. */
interface Images {
  readonly Images: readonly { readonly Name: string }[];
}

/** Attributes as both commands show them. */
interface Attributes {
  readonly Attributes: readonly object[];
}

/** Status checks as the CLI shows them. */
interface Statuses {
  readonly InstanceStatuses: readonly object[];
}

/** A page of instances as the CLI shows it. */
interface Page {
  readonly Reservations: readonly Reservation[];
  readonly NextToken?: string;
}

/** A page of limits as the CLI shows it: its own token, or the marker of AWS where the CLI was told not to page. */
interface Limits {
  readonly Limits: readonly object[];
  readonly NextToken?: string;
  readonly NextMarker?: string;
}

/** The old instance of a fleet of one, and the command that launches one like it. */
async function launchLike({ aws, config }: Simulation): Promise<[Instance, string]> {
  const { Reservations = [] } = await aws<DescribeInstancesCommandOutput>("ec2 describe-instances");
  const old = onlyInstance(Reservations[0]);
  const options = [
    `--instance-type ${config["instance-type"]} --key-name ${config["ssh-key"]}`,
    `--subnet-id ${old.SubnetId} --security-group-ids ${config["security-group-id"][0]}`,
    "--tag-specifications ResourceType=instance,Tags=[{Key=Name,Value=mine}]",
  ];
  return [old, `ec2 run-instances ${options.join(" ")}`];
}

/** By a filter, for which an id that a lagging read does not know yet is no error. */
async function instanceNow({ aws }: Simulation, id: string): Promise<Instance | undefined> {
  const { Reservations = [] } = await aws<DescribeInstancesCommandOutput>(
    `ec2 describe-instances --filters Name=instance-id,Values=${id}`,
  );
  return Reservations[0]?.Instances?.[0];
}

/** Undefined for an id that a lagging read does not know yet. */
function whileUnknown(error: Error): undefined {
  if (!error.message.includes("(InvalidInstanceID.NotFound)")) throw error;
}

function onlyInstance(reservation: Reservation | undefined): Instance {
  const [instance, ...others] = reservation?.Instances ?? [];
  if (instance === undefined || others.length > 0) {
    throw new Error(`not one instance: ${JSON.stringify(reservation)}`);
  }
  return instance;
}

function statusOf(InstanceId: string, Status: string, detail: string) {
  const check = { Status, Details: [{ Name: "reachability", Status: detail }] };
  return {
    InstanceStatuses: [
      {
        InstanceId,
        InstanceState: { Code: 16, Name: "running" },
        SystemStatus: check,
        InstanceStatus: check,
      },
    ],
  };
}

const codes = { running: 16, "shutting-down": 32, terminated: 48 } as const;

/** Why an instance ends that somebody terminated. */
const byUser = {
  StateReason: {
    Code: "Client.UserInitiatedShutdown",
    Message: "Client.UserInitiatedShutdown: User initiated shutdown",
  },
  StateTransitionReason: expect.stringMatching(
    /^User initiated \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\)$/,
  ),
};

function termination(InstanceId: string, before: keyof typeof codes, now: keyof typeof codes) {
  return {
    TerminatingInstances: [
      {
        InstanceId,
        CurrentState: { Code: codes[now], Name: now },
        PreviousState: { Code: codes[before], Name: before },
      },
    ],
  };
}

/** Targets as "port state reason: description", of all instances or of one. */
function targetsOf(
  { TargetHealthDescriptions = [] }: DescribeTargetHealthCommandOutput,
  instanceId?: string,
): string[] {
  return TargetHealthDescriptions.filter(
    ({ Target }) => instanceId === undefined || Target?.Id === instanceId,
  ).map(({ Target, TargetHealth: { State, Reason, Description } = {} }) => {
    return `${Target?.Port} ${State}${Reason ? ` ${Reason}: ${Description}` : ""}`;
  });
}

function secondsFrom(first: { readonly time: string }, then: { readonly time: string }): number {
  return (Date.parse(then.time) - Date.parse(first.time)) / 1000;
}

/** A request as no client of AWS sends it. */
async function post(parameters: Readonly<Record<string, string>>, authorization = "") {
  const body = new URLSearchParams(parameters);
  const response = await fetch(fleet.endpoint, {
    method: "POST",
    body,
    headers: authorization === "" ? {} : { authorization },
    signal: AbortSignal.timeout(20_000),
  });
  return {
    status: response.status,
    id: response.headers.get("x-amzn-requestid"),
    body: await response.text(),
  };
}
