import {
  CreateTagsCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
  type Tag,
} from "@aws-sdk/client-ec2";
import {
  AddTagsCommand,
  DescribeListenersCommand,
  DescribeRulesCommand,
  DescribeTagsCommand,
  RemoveTagsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { describe, expect, test } from "vitest";
import { answerCall, parseCall } from "../../src/simulator/api.ts";
import { editInstance } from "../../src/simulator/controls.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

const manyTags = (count: number): Tag[] =>
  Array.from({ length: count }, (_, index) => ({ Key: `key-${index}`, Value: "v" }));

describe("EC2", () => {
  function setUp() {
    const base = setUpAny({ tags: { Team: "payments" } });
    const { aws, ec2 } = base;
    const [id = "", other = ""] = aws.oldInstanceIds;
    const volumeId = aws.world.volumes.list()[0]?.id ?? "";
    const tag = (Resources: string[], Tags: Tag[], DryRun?: boolean) =>
      ec2.send(new CreateTagsCommand({ Resources, Tags, DryRun }));
    const tagsOf = async (InstanceId: string) => {
      const { Reservations } = await ec2.send(
        new DescribeInstancesCommand({ InstanceIds: [InstanceId] }),
      );
      return Reservations?.[0]?.Instances?.[0]?.Tags;
    };
    return { ...base, id, other, volumeId, tag, tagsOf };
  }

  const OLD = [
    { Key: "Name", Value: "v1" },
    { Key: "Team", Value: "payments" },
  ];

  test("tags instances and volumes; a key that is there gets the new value in its place", async () => {
    const { ec2, id, other, volumeId, tag, tagsOf } = setUp();
    await tag([id, volumeId], [{ Key: "Name", Value: "v2" }, { Key: "empty" }]);
    const tags = [{ Key: "Name", Value: "v2" }, OLD[1], { Key: "empty", Value: "" }];
    expect(await tagsOf(id)).toEqual(tags);
    const Filters = [{ Name: "tag:Name", Values: ["v2"] }];
    const { Volumes } = await ec2.send(new DescribeVolumesCommand({ Filters }));
    expect(Volumes?.map(({ VolumeId, Tags }) => [VolumeId, Tags])).toEqual([[volumeId, tags]]);
    expect(await tagsOf(other)).toEqual(OLD);
  });

  test("answers true", () => {
    const { aws, id } = setUp();
    const body = `Action=CreateTags&Version=2016-11-15&ResourceId.1=${id}&Tag.1.Key=a&Tag.1.Value=b`;
    const answer = answerCall(aws.world, parseCall(body, undefined)!);
    expect(answer.body).toMatch(
      /<CreateTagsResponse xmlns="[^"]+"><requestId>[^<]+<\/requestId><return>true<\/return><\//,
    );
  });

  test.each<[string, { tags?: Tag[]; ids?: string[] }, string]>([
    ["a reserved key", { tags: [{ Key: "aws:x", Value: "" }] }, "InvalidParameterValue"],
    ["a reserved key, whatever its case", { tags: [{ Key: "AWS:x" }] }, "InvalidParameterValue"],
    ["a key twice", { tags: [{ Key: "a" }, { Key: "a" }] }, "InvalidParameterValue"],
    ["a key of 129", { tags: [{ Key: "k".repeat(129) }] }, "InvalidParameterValue"],
    ["a value of 257", { tags: [{ Key: "k", Value: "v".repeat(257) }] }, "InvalidParameterValue"],
    ["no key", { tags: [{ Value: "v" }] }, "InvalidParameterValue"],
    ["no tags", { tags: [] }, "MissingParameter"],
    ["49 more than two", { tags: manyTags(49) }, "TagLimitExceeded"],
    ["an unknown instance", { ids: ["i-0123456789abcdef0"] }, "InvalidInstanceID.NotFound"],
    ["an unknown volume", { ids: ["vol-0123456789abcdef0"] }, "InvalidVolume.NotFound"],
    ["a malformed instance id", { ids: ["i-eCHmOTcEW0OZ9KbNe"] }, "InvalidID"],
    ["something else", { ids: ["203.0.113.7"] }, "InvalidID"],
    ["nothing to tag", { ids: [] }, "MissingParameter"],
  ])(
    "refuses %s, and tags nothing",
    async (_what, { tags = [{ Key: "a", Value: "b" }], ids }, name) => {
      const { id, tag, tagsOf } = setUp();
      const resources = ids?.length === 0 ? [] : [id, ...(ids ?? [])];
      expect(await errorOf(tag(resources, tags))).toMatchObject({ name, status: 400 });
      expect(await tagsOf(id)).toEqual(OLD);
    },
  );

  test("says what is wrong in the words of AWS", async () => {
    const { tag } = setUp();
    const tags = [{ Key: "a", Value: "b" }];
    expect(await errorOf(tag(["i-nonsense"], tags))).toMatchObject({
      message: "The ID 'i-nonsense' is not valid",
    });
    const ids = ["i-0123456789abcdef0", "i-0123456789abcdef1"];
    expect(await errorOf(tag(ids, tags))).toMatchObject({
      message: `The instance IDs '${ids.join(", ")}' do not exist`,
    });
  });

  test("50 tags are enough for anybody, AWS's own not counted", async () => {
    const { aws, id, tag, tagsOf } = setUp();
    const own = [{ key: "aws:autoscaling:groupName", value: "asg" }];
    editInstance(aws.world, id, { tags: own });
    await tag([id], manyTags(50));
    // A new value for a key that is there is no new tag.
    await tag([id], [{ Key: "key-7", Value: "changed" }]);
    expect(await tagsOf(id)).toHaveLength(51);
    expect(await errorOf(tag([id], [{ Key: "one more" }]))).toMatchObject({
      name: "TagLimitExceeded",
    });
  });

  test("DryRun changes nothing", async () => {
    const { id, tag, tagsOf } = setUp();
    const dryRun = (Key: string) => errorOf(tag([id], [{ Key }], true));
    expect(await dryRun("a")).toMatchObject({ name: "DryRunOperation", status: 412 });
    expect(await dryRun("aws:a")).toMatchObject({ name: "InvalidParameterValue" });
    expect(await tagsOf(id)).toEqual(OLD);
  });

  test("lagging reads learn of tags later", async () => {
    const { clock, aws, ec2 } = setUpAny({ staleReadsMs: 8000, lagIsConstant: true });
    const [id = ""] = aws.oldInstanceIds;
    await clock.sleep(10_000);
    await ec2.send(new CreateTagsCommand({ Resources: [id], Tags: [{ Key: "a", Value: "b" }] }));
    const count = async () => {
      const Filters = [{ Name: "tag:a", Values: ["b"] }];
      return (await ec2.send(new DescribeInstancesCommand({ Filters }))).Reservations?.length;
    };
    expect(await count()).toBe(0);
    await clock.sleep(8000);
    expect(await count()).toBe(1);
  });
});

describe("ELB", () => {
  async function setUp() {
    const base = setUpAny();
    const { aws, elb } = base;
    const { Listeners } = await elb.send(
      new DescribeListenersCommand({ LoadBalancerArn: aws.loadBalancerArn }),
    );
    const listenerArn = Listeners?.[0]?.ListenerArn ?? "";
    const { Rules } = await elb.send(new DescribeRulesCommand({ ListenerArn: listenerArn }));
    const arns = [
      aws.loadBalancerArn,
      aws.targetGroupArn,
      listenerArn,
      Rules?.[0]?.RuleArn ?? "",
    ] as const;
    const add = (ResourceArns: readonly string[], Tags: { Key: string; Value?: string }[]) =>
      elb.send(new AddTagsCommand({ ResourceArns: [...ResourceArns], Tags }));
    const remove = (ResourceArns: readonly string[], TagKeys: string[]) =>
      elb.send(new RemoveTagsCommand({ ResourceArns: [...ResourceArns], TagKeys }));
    const describeTags = async (ResourceArns: readonly string[]) => {
      const answer = await elb.send(new DescribeTagsCommand({ ResourceArns: [...ResourceArns] }));
      return answer.TagDescriptions?.map(({ ResourceArn, Tags }) => [ResourceArn, Tags]);
    };
    return { ...base, arns, add, remove, describeTags };
  }

  test("adds, overwrites and removes tags of load balancers, groups, listeners and rules", async () => {
    const { arns, add, remove, describeTags } = await setUp();
    expect(await describeTags(arns)).toEqual(arns.map((arn) => [arn, []]));
    await add(arns, [{ Key: "a", Value: "1" }, { Key: "b" }]);
    await add(arns.slice(0, 1), [{ Key: "a", Value: "2" }]);
    const b = { Key: "b", Value: "" };
    const [first, ...others] = arns;
    expect(await describeTags(arns)).toEqual([
      [first, [{ Key: "a", Value: "2" }, b]],
      ...others.map((arn) => [arn, [{ Key: "a", Value: "1" }, b]]),
    ]);
    await remove(arns.slice(1), ["a", "never there"]);
    expect(await describeTags(arns)).toEqual([
      [first, [{ Key: "a", Value: "2" }, b]],
      ...others.map((arn) => [arn, [b]]),
    ]);
  });

  test.each([
    ["a key twice", [{ Key: "a" }, { Key: "a" }], "DuplicateTagKeysException"],
    ["51 tags", manyTags(51), "TooManyTagsException"],
    ["a reserved key", [{ Key: "aws:a" }], "ValidationError"],
    ["a key of 129", [{ Key: "k".repeat(129) }], "ValidationError"],
    ["a value of 257", [{ Key: "k", Value: "v".repeat(257) }], "ValidationError"],
    ["no key", [{ Key: "" }], "ValidationError"],
    ["a key with a #", [{ Key: "a#" }], "ValidationError"],
    ["a value with a ?", [{ Key: "a", Value: "https://ci/job?x=1" }], "ValidationError"],
    ["a value with a line break", [{ Key: "a", Value: "b\n" }], "ValidationError"],
    ["a value with a bracket", [{ Key: "a", Value: "{}" }], "ValidationError"],
  ])("refuses %s, and tags nothing", async (_what, tags, name) => {
    const { arns, add, describeTags } = await setUp();
    const given = tags.map(({ Key = "", Value }) => ({ Key, Value }));
    expect(await errorOf(add(arns, given))).toMatchObject({ name, status: 400 });
    expect(await describeTags(arns)).toEqual(arns.map((arn) => [arn, []]));
  });

  test("takes letters of any script, white space, numbers and some signs", async () => {
    const { arns, add, describeTags } = await setUp();
    const [balancer] = arns;
    const Tags = [
      { Key: "größe _.:/=+-@ 1", Value: "日本 user@host+1 https://ci:8080/job/a_b-c=d" },
    ];
    await add([balancer], Tags);
    expect(await describeTags([balancer])).toEqual([[balancer, Tags]]);
    // The longest that there may be.
    await add([balancer], [{ Key: "k".repeat(128), Value: "v".repeat(256) }]);
  });

  test("says what characters it takes", async () => {
    const { arns, add } = await setUp();
    expect(await errorOf(add(arns, [{ Key: "a", Value: "b?" }]))).toMatchObject({
      message:
        "1 validation error detected: Value 'b?' at 'tags.member.value' failed to satisfy constraint: " +
        "Member must satisfy regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$",
    });
  });

  test("50 tags are enough for anybody, on every resource for itself", async () => {
    const { arns, add, describeTags } = await setUp();
    const [balancer, group] = arns;
    const fifty = manyTags(50).map(({ Key = "", Value }) => ({ Key, Value }));
    await add([balancer], fifty);
    await add([balancer], [{ Key: "key-7", Value: "changed" }]);
    expect(await errorOf(add([group, balancer], [{ Key: "one more" }]))).toMatchObject({
      name: "TooManyTagsException",
    });
    expect(await describeTags([group])).toEqual([[group, []]]);
  });

  test.each([
    [0, "LoadBalancerNotFoundException", "Load balancers"],
    [1, "TargetGroupNotFoundException", "Target groups"],
    [2, "ListenerNotFoundException", "Listeners"],
    [3, "RuleNotFoundException", "Rules"],
  ])(
    "an ARN that names nothing is not found, each kind by its own code",
    async (index, name, what) => {
      const { arns, add, remove, describeTags } = await setUp();
      const arn = `${arns[index]?.slice(0, -16)}0000000000000000`;
      const refusal = { name, status: 400, message: `${what} '${arn}' not found` };
      expect(await errorOf(describeTags([...arns, arn]))).toMatchObject(refusal);
      expect(await errorOf(add([...arns, arn], [{ Key: "a" }]))).toMatchObject(refusal);
      expect(await errorOf(remove([...arns, arn], ["a"]))).toMatchObject(refusal);
      expect(await describeTags(arns)).toEqual(arns.map((known) => [known, []]));
    },
  );

  test("refuses what is no ARN of a resource, and more than 20 of them", async () => {
    const { arns, describeTags } = await setUp();
    expect(await errorOf(describeTags(["my-targets"]))).toMatchObject({
      name: "ValidationError",
      message: "'my-targets' must be in ARN format",
    });
    const [balancer] = arns;
    expect(await describeTags(Array(20).fill(balancer))).toHaveLength(20);
    expect(await errorOf(describeTags(Array(21).fill(balancer)))).toMatchObject({
      name: "ValidationError",
    });
  });

  test("lagging reads learn of tags later, and of their end", async () => {
    const { clock, aws, elb } = setUpAny({ staleReadsMs: 8000, lagIsConstant: true });
    const ResourceArns = [aws.targetGroupArn];
    const tags = async () => {
      const answer = await elb.send(new DescribeTagsCommand({ ResourceArns }));
      return answer.TagDescriptions?.[0]?.Tags;
    };
    await clock.sleep(10_000);
    await elb.send(new AddTagsCommand({ ResourceArns, Tags: [{ Key: "a", Value: "b" }] }));
    expect(await tags()).toEqual([]);
    await clock.sleep(7999);
    expect(await tags()).toEqual([]);
    await clock.sleep(1);
    expect(await tags()).toEqual([{ Key: "a", Value: "b" }]);
    await elb.send(new RemoveTagsCommand({ ResourceArns, TagKeys: ["a"] }));
    await clock.sleep(7999);
    expect(await tags()).toHaveLength(1);
    await clock.sleep(1);
    expect(await tags()).toEqual([]);
  });
});
