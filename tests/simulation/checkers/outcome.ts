import { DeployError } from "../../../src/errors.ts";
import type { Instance } from "../../../src/simulator/records.ts";
import type { Transition } from "../../../src/simulator/world.ts";
import type { CheckedRun, Ground, Report } from "./ground.ts";
import type { InstanceChecker } from "./instances.ts";

/** Looks at what runs leave, and at what is left in the end. */
export interface OutcomeChecker {
  onTransition(transition: Transition): void;
  /** A run has ended. */
  onEnd(run: CheckedRun): void;
  /** The last run has ended in 0, and no fault has stood in its way. */
  onConverged(run: CheckedRun): void;
}

/** What a run says of a limit that has passed, though what it waited for is what it saw last. */
const inVain =
  /did not pass its status checks within \d+ s \(instance status: ok, system status: ok\)|was not running within \d+ s \(instance state: running\)|was not healthy within \d+ s \(\)/;

/**
 * A run that says 0 left every slot up to date; one that says 1, or was interrupted, listed everything it left, and
 * did not give up what it saw succeed. In the end nothing is left over.
 */
export function checkOutcome(
  { world, groups, initial }: Ground,
  runOf: (transition: Transition) => CheckedRun | undefined,
  { launched, replacedBy, others }: InstanceChecker,
  report: Report,
): OutcomeChecker {
  /** Instances that a run took out of service, and which run. */
  const takenOut = new Map<string, CheckedRun>();
  const atFirst = new Map(
    groups.map((arn) => [
      arn,
      world.targets.list().filter((one) => one.targetGroupArn === arn).length,
    ]),
  );

  const targetsOf = (id: string) =>
    world.targets
      .list()
      .filter(
        (one) =>
          one.instanceId === id &&
          groups.includes(one.targetGroupArn) &&
          one.registered &&
          !one.abandoned,
      );
  const isLive = ({ state }: Instance) => state === "pending" || state === "running";
  const ours = () =>
    world.instances
      .list()
      .filter((one) => isLive(one) && (initial.has(one.id) || launched.has(one.id)));
  const nameOf = ({ tags }: Instance) => tags.find(({ key }) => key === "Name")?.value;
  const isNew = (one: Instance, { ami, version }: CheckedRun) =>
    one.imageId === ami && nameOf(one) === version;
  const isKnown = ({ id }: Instance, { ending, blindMs }: CheckedRun) =>
    (ending?.atMs ?? 0) - (others.touchedMs(id) ?? Number.NEGATIVE_INFINITY) > blindMs;

  /** Of what others left it in, a run tells, and leaves it alone. */
  const isTold = ({ id }: Instance, { ending }: CheckedRun) =>
    ending?.notices.includes(id) === true;

  /** What others left it in, out of the group to be updated: it is told of, or cannot be known. */
  function isLeftAlone(one: Instance, run: CheckedRun): boolean {
    const isServed = targetsOf(one.id).some(({ targetGroupArn }) => targetGroupArn === groups[0]);
    const isForgotten = others.isUntagged(one.id) && launched.get(one.id) !== run;
    return !isServed && (others.hasPutAside(one.id) || isForgotten || isTold(one, run));
  }

  /** What another run has launched that still works is in its hands: who has nothing to do takes no lock. */
  function isOfOther({ id }: Instance, run: CheckedRun): boolean {
    const by = launched.get(id);
    return by !== undefined && by !== run && by.ending === undefined;
  }

  function onSuccess(run: CheckedRun): void {
    for (const one of ours()) {
      if (!isKnown(one, run) || isLeftAlone(one, run) || isOfOther(one, run)) continue;
      const isServed = targetsOf(one.id).length > 0;
      if (isServed && isNew(one, run)) continue;
      report(
        isServed ? "not-up-to-date" : "left-behind",
        `${run.name} said 0, but ${one.id} (${one.imageId}) is ${one.state}, ${isServed ? "and serves" : "in no target group"}`,
      );
    }
  }

  function onFailure(run: CheckedRun, error: DeployError): void {
    const text = [error.message, ...error.problems].join("\n");
    const isOfOthers = error.code === "PreflightFailed" || error.code === "Locked";
    const tellsOfFleet = error.problems.length > 0 && !isOfOthers;
    const vain = inVain.exec(error.message)?.[0];
    if (vain !== undefined) report("failed-in-vain", `${run.name} gave up: it ${vain}`);
    for (const one of ours()) {
      const isOurs = launched.get(one.id) === run || takenOut.get(one.id) === run;
      if (!isKnown(one, run)) continue;
      const line = error.problems.find((problem) => problem.startsWith(one.id));
      const isDone = isNew(one, run) && targetsOf(one.id).length > 0;
      const isTheirs = isLeftAlone(one, run) || line?.endsWith("left alone");
      if (tellsOfFleet && error.rerun === undefined && !isDone && !isTheirs) {
        report("left-unlisted", `${run.name} left ${one.id}, and names no command to go on with`);
      }
      if (line !== undefined || (!isOurs && (!tellsOfFleet || isLeftAlone(one, run)))) continue;
      // As the reads showed it.
      if (error.message.includes("is unknown to EC2")) continue;
      const replaced = replacedBy(one.id);
      if (replaced !== undefined && text.includes(`to replace ${replaced} was not answered`))
        continue;
      report(
        "left-unlisted",
        `${run.name} ended with ${error.code} and did not name ${one.id} (${one.state})`,
      );
    }
  }

  return {
    onTransition(transition) {
      const run = runOf(transition);
      if (transition.kind !== "target" || run === undefined) return;
      const { before, after } = transition;
      if (before?.registered && !after?.registered) takenOut.set(before.instanceId, run);
    },
    onEnd(run) {
      const error = run.ending?.error;
      if (error === undefined) onSuccess(run);
      else if (error instanceof DeployError) onFailure(run, error);
      else if ((error as Error).name !== "SimulatedCrash") {
        const { stack } = error as Error;
        report("bug", `${run.name} ended with ${stack?.split("\n").slice(0, 6).join("\n")}`);
      }
    },
    onConverged(run) {
      for (const one of ours()) {
        const states = targetsOf(one.id).map(({ state }) => state);
        if (
          isLeftAlone(one, run) ||
          (isNew(one, run) && states.length > 0 && states.every((state) => state === "healthy"))
        ) {
          continue;
        }
        report(
          "left-behind",
          `in the end ${one.id} is ${one.state} with ${one.imageId}, ${states.join(", ") || "no target"}`,
        );
      }
      for (const arn of groups) {
        const wanted = atFirst.get(arn) ?? 0;
        const serving = world.targets
          .list()
          .filter(
            (one) => one.targetGroupArn === arn && one.registered && one.state === "healthy",
          ).length;
        if (serving > wanted + others.gains || serving < wanted - others.losses) {
          report(
            "left-behind",
            `in the end ${arn.split("/")[1]} has ${serving} healthy targets, at the beginning it had ${wanted} places`,
          );
        }
        const lease = (world.elbTags.get(arn) ?? []).find(({ key }) =>
          key.startsWith("zero-deploy:"),
        );
        if (lease !== undefined && serving > 0)
          report("left-behind", `in the end ${arn.split("/")[1]} has the tag ${lease.key}`);
      }
    },
  };
}
