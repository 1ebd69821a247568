import type { AppAnswer, ImageBehaviour } from "./records.ts";
import type { World } from "./world.ts";

/**
 * Starts the application of an instance that just began to run. It refuses connections while it
 * boots; what it answers afterwards is what its image is made to do, until a test forces another
 * answer.
 */
export function startApplication(world: World, id: string): void {
  const instance = world.instances.get(id);
  if (instance === undefined) return;
  const { random, timings } = world;
  const behaviour = world.images.get(instance.imageId)?.behaviour ?? "good";
  const range = behaviour === "slow" ? timings.slowAppBoot : timings.appBoot;
  const bootMs = random.between(`boot:${id}`, range);
  answerWith(world, id, "refused");
  if (behaviour === "flaky") alternate(world, id, bootMs, 0);
  else answerLater(world, id, bootMs, BOOTED_ANSWERS[behaviour] ?? 200);
}

/**
 * What a booted application answers when its image is not a good one; an impaired host loses every
 * packet.
 */
const BOOTED_ANSWERS: Partial<Record<ImageBehaviour, AppAnswer>> = {
  "never-healthy": 503,
  impaired: "timeout",
};

/** Changes what the application of an instance answers from now on. */
function answerWith(world: World, id: string, answer: AppAnswer): void {
  const instance = world.instances.get(id);
  if (instance === undefined || instance.answerIsForced) return;
  world.instances.set(id, { ...instance, answer });
}

function answerLater(world: World, id: string, delayMs: number, answer: AppAnswer): void {
  world.schedule(world.nowMs() + delayMs, () => {
    if (world.instances.get(id)?.state === "running") answerWith(world, id, answer);
  });
}

/**
 * Well for a while, badly for a while, for ever: long enough each time for health checks to take
 * notice.
 */
function alternate(world: World, id: string, delayMs: number, turn: number): void {
  world.schedule(world.nowMs() + delayMs, () => {
    const instance = world.instances.get(id);
    if (instance?.state !== "running" || instance.answerIsForced) return;
    const isGood = turn % 2 === 0;
    answerWith(world, id, isGood ? 200 : 503);
    const range = isGood ? world.timings.flakyGood : world.timings.flakyBad;
    alternate(world, id, world.random.between(`flaky:${id}:${turn}`, range), turn + 1);
  });
}
