/**
 * Bugs to be planted in a copy of the source, one at a time, to see that seeds find bugs: where, what takes the place of
 * what, and a seed that finds it by which invariant. scripts/plant-seeds.js finds the seeds anew when they have moved.
 * @type {ReadonlyArray<{
 *   readonly name: string,
 *   readonly file: string,
 *   readonly from: string,
 *   readonly to: string,
 *   readonly seed: number,
 *   readonly invariant: import("../checkers/ground.ts").Invariant,
 * }>}
 */
export const plants = [
  {
    name: "no drain wait",
    file: "src/leave.ts",
    from: "const drain = drainOf(slot, instance, situation);",
    to: "const drain = undefined as ReturnType<typeof drainOf>;",
    seed: 1,
    invariant: "terminated-in-service",
  },
  {
    name: "no floor after deregistering",
    file: "src/leave.ts",
    from: "const floor = wasNeverRegistered(id, situation) ? 0 : drainFloorSeconds(situation);",
    to: "const floor = 0;",
    seed: 2,
    invariant: "terminated-in-service",
  },
  {
    name: "port missing on deregister",
    file: "src/aws/elbv2.ts",
    from: "new DeregisterTargetsCommand(toInput(targetGroupArn, targets))",
    to: "new DeregisterTargetsCommand({ TargetGroupArn: targetGroupArn, Targets: targets.map(({ instanceId }) => ({ Id: instanceId })) })",
    seed: 1,
    invariant: "not-converged",
  },
  {
    name: "no ClientToken",
    file: "src/act.ts",
    from: "{ ...input, ClientToken: clientToken(spec, attempt) }",
    to: "{ ...input, ClientToken: (clientToken(spec, attempt) + clock.now()).slice(-64) }",
    seed: 81,
    invariant: "surge-exceeded",
  },
  {
    name: "undo removes the old one",
    file: "src/decide.ts",
    from: "if (abandoned !== undefined) return leave(slot, abandoned, situation, capacity);",
    to: "if (abandoned !== undefined) return leave(slot, old ?? abandoned, situation, { shortfallWithout: () => undefined, release() {} });",
    seed: 1,
    invariant: "capacity-lost",
  },
  {
    name: "a stale read taken for fresh",
    file: "src/expectations.ts",
    from: "entry !== undefined && now - entry.atMs < settleMs;",
    to: "entry !== undefined && now === entry.atMs;",
    seed: 94,
    invariant: "terminated-in-service",
  },
  {
    name: "capacity counted without the old one's health",
    file: "src/leave.ts",
    from: "(healthy.get(arn) ?? 0) - healthyTargets(snapshot, id, arn);",
    to: "(healthy.get(arn) ?? 0);",
    seed: 155,
    invariant: "capacity-lost",
  },
  {
    name: "lock released by a non-owner",
    file: "src/lock/own-lease.ts",
    from: "      if (!isWritten) return;\n      isWritten = false;",
    to: `      if (!isWritten) {
        const leases = await watch.look(elbv2, [arn]).catch(() => undefined);
        const keys = (leases?.living ?? []).flatMap((lease) => leaseKeys(lease.owner));
        if (keys.length > 0) await removeTags(elbv2, [arn], keys).catch(() => {});
        return;
      }
      isWritten = false;`,
    seed: 42,
    invariant: "lock-ignored",
  },
  {
    name: "deadline beats a success seen in the same tick",
    file: "src/arrive.ts",
    from: "if (!inService && !checksPass(replacement, situation))",
    to: 'if (!inService && (!checksPass(replacement, situation) || secondsSinceFirst(situation, slot.id, ["checks"], replacement.id) >= plan.config.waitingPeriodSeconds))',
    seed: 55,
    invariant: "failed-in-vain",
  },
  {
    name: "a signal leaves an unlisted replacement",
    file: "src/report/outcome.ts",
    from: "problems: fleetLines(fleet, seen, plan, run.expected),",
    to: "problems: signal.aborted ? [] : fleetLines(fleet, seen, plan, run.expected),",
    seed: 2,
    invariant: "left-unlisted",
  },
];
