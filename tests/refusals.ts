import { attachVolume } from "../src/simulator/attachments.ts";
import type { LoadBalancer, Target } from "../src/simulator/balancer-records.ts";
import { IMAGES } from "../src/simulator/catalog.ts";
import type { SimulatedAws, SimulatedAwsOptions } from "../src/simulator/fleet.ts";
import { changeInstance } from "../src/simulator/instances.ts";
import { addLoadBalancer, addSecurityGroup, addTargetGroup } from "../src/simulator/network.ts";
import { addHealthyTarget } from "../src/simulator/old-instances.ts";
import type { Image, Instance, InstanceType, Subnet } from "../src/simulator/records.ts";

/** How the program is started. */
export interface Start {
  readonly ami?: string;
  readonly args?: readonly string[];
  /** Keys of config.json beside those that fit the fleet. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The id of the instance that the program runs on. */
  readonly host?: string;
}

/** Something that is not right, and what the program says of it. */
export interface Refusal {
  readonly what: string;
  readonly fleet?: Omit<SimulatedAwsOptions, "clock">;
  /** Makes it not right. */
  readonly spoil?: (aws: SimulatedAws) => void;
  readonly start?: Start | ((aws: SimulatedAws) => Start);
  /** Every problem the program tells, in their order. */
  readonly problems: readonly RegExp[];
  /** Hides other problems, or needs a fleet or an AMI of its own. */
  readonly isAlone?: true;
}

const missing = "0123456789abcdef0";
const arnOf = (kind: string) =>
  `arn:aws:elasticloadbalancing:eu-west-1:123456789012:${kind}/other/0123456789abcdef`;

function editImage({ world }: SimulatedAws, change: Partial<Image>): void {
  const image = world.images.get(IMAGES.good);
  if (image !== undefined) world.images.set(image.id, { ...image, ...change });
}

function editType({ world, instanceType }: SimulatedAws, change: Partial<InstanceType>): void {
  const type = world.instanceTypes.get(instanceType);
  if (type !== undefined) world.instanceTypes.set(type.name, { ...type, ...change });
}

function editBalancer({ world, loadBalancerArn }: SimulatedAws, change: Partial<LoadBalancer>) {
  const balancer = world.loadBalancers.get(loadBalancerArn);
  if (balancer !== undefined) world.loadBalancers.set(balancer.arn, { ...balancer, ...change });
}

function editSubnet({ world }: SimulatedAws, index: number, change: Partial<Subnet>): void {
  const subnet = subnetAt(world, index);
  world.subnets.set(subnet.id, { ...subnet, ...change });
}

function subnetAt(world: SimulatedAws["world"], index: number): Subnet {
  const subnet = [...world.subnets.values()][index];
  if (subnet === undefined) throw new Error(`the stage has no subnet ${index}`);
  return subnet;
}

/** Each refusal of an instance has an instance of its own, so that all of them can be tried together. */
function editOld(
  index: number,
  change: Partial<Instance> | ((old: Instance) => Partial<Instance>),
) {
  return ({ world, oldInstanceIds }: SimulatedAws) => {
    const old = world.instances.get(oldInstanceIds[index] ?? "");
    if (old === undefined) throw new Error(`the stage has no old instance ${index}`);
    const changes = typeof change === "function" ? change(old) : change;
    world.actAs({ by: "control" }, () => changeInstance(world, old.id, changes));
  };
}

function editTargets({ world }: SimulatedAws, change: Partial<Target>): void {
  for (const target of world.targets.list()) world.targets.set(target.id, { ...target, ...change });
}

const tagged = (key: string, value: string) => editOld(0, { tags: [{ key, value }] });

/** Everything a preflight refuses. */
export const refusals: readonly Refusal[] = [
  // What does not exist.
  {
    what: "an AMI that does not exist",
    start: { ami: `ami-${missing}` },
    problems: [/^AMI ami-0123456789abcdef0: does not exist, or not in this region and account/],
    isAlone: true,
  },
  {
    what: "an AMI that was deregistered",
    spoil: (aws) => editImage(aws, { state: "deregistered" }),
    problems: [/^AMI \S+: has been deregistered; choose another$/],
    isAlone: true,
  },
  {
    what: "a key pair that does not exist",
    start: { config: { "ssh-key": "nobody" } },
    problems: [/^ssh-key: key pair nobody: does not exist.*InvalidKeyPair.NotFound/],
  },
  {
    what: "a security group that does not exist",
    start: { config: { "security-group-id": [`sg-${missing}`] } },
    problems: [/^security-group-id: sg-0123456789abcdef0: does not exist/],
    isAlone: true,
  },
  {
    what: "an instance type that does not exist",
    start: { config: { "instance-type": "t9.huge" } },
    problems: [/^instance-type: t9.huge: does not exist.*InvalidInstanceType/],
    isAlone: true,
  },
  {
    what: "a target group that does not exist",
    start: { config: { "target-group": { arn: arnOf("targetgroup") } } },
    problems: [/^target-group.arn: target group arn:\S+: does not exist.*TargetGroupNotFound/],
    isAlone: true,
  },
  {
    what: "a load balancer that does not exist",
    start: { config: { loadbalancer: { arn: arnOf("loadbalancer/app") } } },
    problems: [
      /^loadbalancer.arn: load balancer arn:\S+: does not exist.*LoadBalancerNotFound/,
      /^target group my-targets: is not used by load balancer/,
    ],
    isAlone: true,
  },
  {
    what: "a subnet that does not exist",
    start: { config: { "subnet-ids": [`subnet-${missing}`] } },
    problems: [/^subnet-ids: subnet-0123456789abcdef0 does not exist in eu-west-1/],
    isAlone: true,
  },
  {
    what: "credentials of another account",
    start: {
      config: {
        "target-group": { arn: arnOf("targetgroup").replace("123456789012", "210987654321") },
      },
    },
    problems: [
      /^target-group.arn: belongs to account 210987654321, but the credentials to 123456789012/,
      /^target-group.arn: target group arn:\S+: does not exist/,
    ],
    isAlone: true,
  },
  // What does not fit together.
  {
    what: "an AMI that is not available yet",
    spoil: (aws) => editImage(aws, { state: "pending" }),
    problems: [/^AMI \S+: is pending, not available; wait until it is$/],
  },
  {
    what: "an AMI of another architecture",
    start: { config: { "instance-type": "t4g.micro" } },
    problems: [/^AMI \S+: has architecture x86_64, but t4g.micro takes arm64; choose another/],
    isAlone: true,
  },
  {
    what: "an AMI of another virtualization type",
    spoil: (aws) => editImage(aws, { virtualizationType: "paravirtual" }),
    problems: [/^AMI \S+: has virtualization type paravirtual, but t3.micro takes hvm; choose/],
  },
  {
    what: "an AMI of another root device type",
    spoil: (aws) => editImage(aws, { rootDeviceType: "instance-store" }),
    problems: [/^AMI \S+: has root device type instance-store, but t3.micro takes ebs; choose/],
  },
  {
    what: "an AMI of a boot mode that the type has not",
    spoil: (aws) => {
      editImage(aws, { bootMode: "uefi" });
      editType(aws, { supportedBootModes: ["legacy-bios"] });
    },
    problems: [/^AMI \S+: has boot mode uefi, but t3.micro takes legacy-bios; choose another/],
  },
  {
    what: "an AMI that needs a TPM",
    spoil: (aws) => {
      editImage(aws, { tpmSupport: "v2.0" });
      editType(aws, { nitroTpmSupport: "unsupported" });
    },
    problems: [/^AMI \S+: needs a TPM \(v2.0\), which t3.micro has not; choose another/],
  },
  {
    what: "an AMI without ENA support",
    spoil: (aws) => {
      editImage(aws, { enaSupport: false });
      editType(aws, { enaSupport: "required" });
    },
    problems: [/^AMI \S+: lacks ENA support, which t3.micro requires; choose another/],
  },
  {
    what: "a security group of another network",
    start: ({ world, securityGroupId }) => {
      const other = addSecurityGroup(world, "vpc-0fedcba9876543210", "elsewhere");
      return { config: { "security-group-id": [securityGroupId, other] } };
    },
    problems: [/^security-group-id: sg-\S+ is in vpc-0fedcba9876543210, but the target group is/],
  },
  {
    what: "an instance type that a zone does not offer",
    spoil: (aws) => editType(aws, { missingInZones: ["eu-west-1b"] }),
    problems: [
      /^instance-type: t3.micro is not offered in eu-west-1b, .*but in eu-west-1a, eu-wes/,
    ],
  },
  // The target group and its load balancer.
  ...(["ip", "lambda", "alb"] as const).map(
    (targetType): Refusal => ({
      what: `a target group of type ${targetType}`,
      fleet: { targetType },
      problems: [
        new RegExp(`^target group my-targets: its targets are of type ${targetType}; only`),
      ],
      isAlone: true,
    }),
  ),
  {
    what: "a target group of another load balancer",
    start: ({ world, vpcId }) => {
      const other = addLoadBalancer(world, vpcId, [...world.subnets.values()], "network");
      return { config: { loadbalancer: { arn: other.arn } } };
    },
    problems: [
      /^target group my-targets: is not used by load balancer \S+, but by \S+app\S+; corr/,
    ],
    isAlone: true,
  },
  {
    what: "a target group that no load balancer uses",
    start: ({ world }) => {
      const unused = addTargetGroup(world, undefined, "unused", 80);
      return { config: { "target-group": { arn: unused.arn } } };
    },
    problems: [
      /^target group unused: has no registered targets, so there is nothing to replace; register/,
      /^target group unused: is not used by load balancer \S+, but by none; correct/,
    ],
    isAlone: true,
  },
  {
    what: "a target group that no listener forwards to",
    spoil: ({ world }) => world.listeners.clear(),
    problems: [/^target group my-targets: no listener of its load balancer forwards to it/],
  },
  {
    what: "a target group without targets",
    fleet: { instances: 0 },
    problems: [/^target group my-targets: has no registered targets, so there is nothing to/],
    isAlone: true,
  },
  {
    what: "a load balancer that is not active yet",
    spoil: (aws) => editBalancer(aws, { stateCode: "provisioning" }),
    problems: [/^load balancer arn:\S+: is provisioning, not active; wait until it is$/],
  },
  {
    what: "a load balancer that has failed",
    spoil: (aws) => editBalancer(aws, { stateCode: "failed" }),
    problems: [/^load balancer arn:\S+: is failed, not active; mend it first$/],
    isAlone: true,
  },
  {
    what: "a target in a zone that is not enabled",
    spoil: (aws) => {
      const { zones = [] } = aws.world.loadBalancers.get(aws.loadBalancerArn) ?? {};
      editBalancer(aws, { zones: zones.slice(0, 2) });
    },
    problems: [
      /^subnet \S+: is in eu-west-1c, where the load balancer sends nothing \(it has eu-west-1a, /,
      ...Array<RegExp>(3).fill(
        /^target i-\S+: is in eu-west-1c, which is not enabled for the load balancer .*deregister it$/,
      ),
    ],
    isAlone: true,
  },
  {
    what: "targets that get no requests though their zones are enabled",
    fleet: { instances: 1 },
    spoil: (aws) => editTargets(aws, { state: "unused", reason: "Target.NotInUse" }),
    problems: [
      /^target group my-targets: none of its targets is healthy \(1 unused, Target.NotInUse\); /,
      /^target i-\S+: is unused \(.*\), so it gets no requests, .*; find out why, or deregister it$/,
    ],
    isAlone: true,
  },
  {
    what: "targets of which no instance runs",
    fleet: { instances: 1 },
    spoil: editOld(0, { state: "terminated" }),
    problems: [/^target group my-targets: has targets, but no instance of them runs; start one$/],
    isAlone: true,
  },
  {
    what: "a load balancer of another account",
    start: {
      config: {
        loadbalancer: { arn: arnOf("loadbalancer/app").replace("123456789012", "210987654321") },
      },
    },
    problems: [
      /^loadbalancer.arn: belongs to account 210987654321, but the credentials to 123456789012/,
      /^loadbalancer.arn: load balancer \S+: does not exist/,
      /^target group my-targets: is not used by load balancer/,
    ],
    isAlone: true,
  },
  {
    what: "a target group with no healthy target",
    spoil: (aws) => editTargets(aws, { state: "unhealthy", reason: "Target.FailedHealthChecks" }),
    problems: [
      /^target group my-targets: none of its targets is healthy \(\d+ unhealthy, Target.FailedHealthChecks.* --allow-unhealthy$/,
    ],
  },
  // Instances that cannot be replaced like for like, or that somebody else replaces.
  {
    what: "an instance that is stopped",
    spoil: editOld(1, { state: "stopped" }),
    problems: [/^instance i-\S+: is stopped, not running; start it, or deregister it from/],
  },
  {
    what: "a member of an Auto Scaling group",
    spoil: tagged("aws:autoscaling:groupName", "web"),
    problems: [
      /^instance i-\S+: belongs to an Auto Scaling group \(.*: web\), .*Instance Refresh$/,
    ],
  },
  {
    what: "a node of EKS",
    spoil: tagged("eks:nodegroup-name", "workers"),
    problems: [/^instance i-\S+: belongs to EKS \(eks:nodegroup-name: workers\), .*node group$/],
    isAlone: true,
  },
  {
    what: "a node of Karpenter",
    spoil: tagged("karpenter.sh/nodepool", "default"),
    problems: [/^instance i-\S+: belongs to Karpenter .*; change its node pool$/],
    isAlone: true,
  },
  {
    what: "a node of a Kubernetes cluster",
    spoil: tagged("kubernetes.io/cluster/web", "owned"),
    problems: [/^instance i-\S+: belongs to a Kubernetes cluster .*; drain and replace its nodes/],
    isAlone: true,
  },
  {
    what: "an instance of an ECS capacity provider",
    spoil: tagged("AmazonECSManaged", "true"),
    problems: [/^instance i-\S+: belongs to ECS .*; update its capacity provider$/],
    isAlone: true,
  },
  {
    what: "an instance of Elastic Beanstalk",
    spoil: tagged("elasticbeanstalk:environment-name", "web"),
    problems: [/^instance i-\S+: belongs to Elastic Beanstalk .*; update its environment$/],
    isAlone: true,
  },
  {
    what: "an instance that an operator manages",
    spoil: editOld(2, { operator: { managed: true, principal: "eks.amazonaws.com" } }),
    problems: [/^instance i-\S+: is managed by eks.amazonaws.com, which would replace it itself/],
  },
  {
    what: "an instance of a persistent Spot request",
    spoil: editOld(3, {
      lifecycle: "spot",
      spotRequest: { type: "persistent", interruptionBehavior: "stop" },
    }),
    problems: [/^instance i-\S+: belongs to the persistent Spot request sir-\S+, .*cancel the/],
  },
  {
    what: "an instance that is protected from termination",
    spoil: editOld(4, { disableApiTermination: true }),
    problems: [
      /^instance i-\S+: is protected from termination; .*"lift-termination-protection": t/,
    ],
  },
  {
    what: "the machine that the program runs on",
    start: ({ oldInstanceIds }) => ({ host: oldInstanceIds[0] ?? "" }),
    problems: [
      /^instance i-\S+: is the machine that zero-deploy runs on, .*; run it on another one$/,
    ],
  },
  {
    what: "an instance with more tags than fit",
    spoil: editOld(5, {
      tags: Array.from({ length: 46 }, (_, index) => ({ key: `t${index}`, value: "" })),
    }),
    problems: [/^instance i-\S+: would pass on more than 50 tags/],
  },
  {
    what: "an instance with an Elastic IP address",
    spoil: editOld(6, { publicIp: "203.0.113.7", publicIpOwner: "123456789012" }),
    problems: [
      /^instance i-\S+: has the Elastic IP address 203.0.113.7, .*"discard-extra-addresses": true$/,
    ],
  },
  {
    what: "an instance with several network interfaces",
    spoil: editOld(7, ({ networkInterfaces }) => ({
      networkInterfaces: [
        ...networkInterfaces,
        ...networkInterfaces.map((one) => ({ ...one, id: `${one.id}1`, deviceIndex: 1 })),
      ],
    })),
    problems: [/^instance i-\S+: has 2 network interfaces, .*"discard-extra-addresses": true$/],
  },
  {
    what: "an instance with a secondary address",
    spoil: editOld(0, ({ networkInterfaces: [first, ...rest] }) => ({
      networkInterfaces: first ? [{ ...first, secondaryIps: ["10.0.0.200"] }, ...rest] : [],
    })),
    problems: [
      /^instance i-\S+: has the secondary address 10.0.0.200, .*"discard-extra-addresses": true$/,
    ],
  },
  {
    what: "an instance with another volume than its root",
    spoil: ({ world, oldInstanceIds }) => {
      attachVolume(world, oldInstanceIds[1] ?? "", { deviceName: "/dev/sdf" });
    },
    problems: [
      /^instance i-\S+: has beside its root vol-\S+ \(\/dev\/sdf\), .*"discard-extra-volumes": true$/,
    ],
  },
  {
    what: "a place in a target group of another load balancer",
    spoil: ({ world, vpcId, oldInstanceIds }) => {
      const other = addLoadBalancer(world, vpcId, [...world.subnets.values()], "network");
      const group = addTargetGroup(world, other, "elsewhere", 80);
      const old = world.instances.get(oldInstanceIds[8] ?? oldInstanceIds[1] ?? "");
      if (old !== undefined) addHealthyTarget(world, group, old, 80);
    },
    problems: [/^instance i-\S+: is a target of elsewhere too .*so deregister it first$/],
  },
  {
    what: "a place in a target group of another load balancer by its address",
    spoil: ({ world, vpcId, oldInstanceIds }) => {
      const other = addLoadBalancer(world, vpcId, [...world.subnets.values()], "network");
      const group = addTargetGroup(world, other, "by-address", 80, { targetType: "ip" });
      const old = world.instances.get(oldInstanceIds[0] ?? "");
      const id = old?.networkInterfaces[0]?.privateIp ?? "";
      if (old !== undefined) addHealthyTarget(world, group, { ...old, id }, 80);
    },
    problems: [/^instance i-\S+: is a target of by-address too \(as 10.0.0.\d+\), .*deregister it/],
  },
  // Where replacements would go.
  {
    what: "a subnet without a free address",
    spoil: (aws) => editSubnet(aws, 0, { usableAddresses: 1 }),
    problems: [/^subnet subnet-\S+: has no free address left; free one, or name another in subnet/],
  },
  {
    what: "a subnet of another network",
    start: ({ world }) => {
      const subnet = { ...subnetAt(world, 0), id: `subnet-${missing}`, vpcId: "vpc-0fedcba987" };
      world.subnets.set(subnet.id, subnet);
      return { config: { "subnet-ids": [subnet.id] } };
    },
    problems: [/^subnet subnet-0123456789abcdef0: is in vpc-0fedcba987, but the fleet is in vpc-/],
    isAlone: true,
  },
];
