import { availableParallelism } from "node:os";
import { styleText } from "node:util";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { Command, InvalidArgumentError } from "commander";
import { createTally, mustOccur, type Occurrence, type Tally } from "./coverage.ts";
import { type Played, play } from "./play.ts";

/** What a worker says of a seed. */
interface Result extends Pick<Played, "seed" | "violations" | "rollouts" | "requests"> {
  readonly counts: readonly (readonly [Occurrence, number])[];
}

interface Options {
  readonly count?: number;
  readonly seed?: number;
  readonly trace?: boolean;
  readonly list?: boolean;
  readonly jobs: number;
}

/** Fewer seeds than this need not show everything. */
const coverageCountsFrom = 2_000;

/** Most of what is made is garbage at once: with more room for it, a tenth of the time is saved. */
const resourceLimits = { maxYoungGenerationSizeMb: 48 };

/** A seed that takes longer than this does not come to an end, in milliseconds of real time. */
const seedLimitMs = 120_000;

/** No more failing seeds than this are told of at length. */
const failuresShown = 3;

/** How much of a trace shows what led to a failure. */
const traceLines = 60;

async function main(): Promise<void> {
  const program = new Command("simulate-seeds")
    .description("Plays whole rollouts with faults on a simulated AWS, each drawn from one seed")
    .option("--count <n>", "how many seeds (default: 1000; with --seed: 1)", parseCount)
    .option("--seed <seed>", "the first of them: a number, or a commit hash", parseSeed)
    .option("--trace", "print everything that happens")
    .option("--list", "only name the seeds that fail")
    .option("--jobs <n>", "how many at a time", parseCount, availableParallelism())
    .allowExcessArguments(false)
    .parse();
  const { count, seed, trace, list, jobs } = program.opts<Options>();
  const first = seed ?? Math.floor(Math.random() * 2 ** 40);
  const number = count ?? (seed === undefined ? 1000 : 1);
  console.log(`Seeds ${first} to ${first + number - 1}`);
  if (trace) return traceAll(first, number);
  const startMs = performance.now();
  const tally = createTally();
  const failed: Result[] = [];
  const total = { seeds: 0, rollouts: 0, requests: 0 };
  const tell = () => {
    const seconds = (performance.now() - startMs) / 1000;
    const perSecond = (total.rollouts / seconds).toFixed(1);
    return `${total.seeds} of ${number} seeds, ${total.rollouts} rollouts, ${total.requests} requests, ${perSecond} rollouts/s on ${jobs} cores, ${failed.length} failed`;
  };
  const stopTelling = startTelling(tell);
  await playAll(first, number, jobs, (result) => {
    total.seeds += 1;
    total.rollouts += result.rollouts;
    total.requests += result.requests;
    for (const [what, times] of result.counts) tally.count(what, times);
    if (result.violations.length > 0) failed.push(result);
  });
  stopTelling();
  console.log(`${tell()}, ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  failed.sort((a, b) => a.seed - b.seed);
  const missing = !list && showCoverage(tally, number >= coverageCountsFrom);
  for (const [index, result] of failed.entries()) {
    if (list || index >= failuresShown) console.log(titleOf(result));
    else await showFailure(result);
  }
  process.exitCode = failed.length > 0 || missing ? 1 : 0;
}

/** Numbers and commit hashes: the first digits of a hash are a number, too. */
function parseSeed(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (/^[0-9a-f]{7,40}$/i.test(text)) return Number.parseInt(text.slice(0, 10), 16);
  throw new InvalidArgumentError("It should be a number or a commit hash.");
}

function parseCount(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError("It should be a whole number above 0.");
}

async function traceAll(first: number, count: number): Promise<void> {
  for (let seed = first; seed < first + count; seed++) {
    const { trace, violations } = await play(seed, { isTraced: true });
    for (const line of trace.lines) console.log(line);
    for (const { invariant, message } of violations) console.log(`${invariant}: ${message}`);
    if (violations.length > 0) process.exitCode = 1;
  }
}

/** Says how it goes: on a terminal in place, elsewhere a line now and then. */
function startTelling(tell: () => string): () => void {
  const { isTTY } = process.stdout;
  const write = () => (isTTY ? process.stdout.write(`\r\x1b[K${tell()}`) : console.log(tell()));
  const timer = setInterval(write, isTTY ? 500 : 15_000);
  return () => {
    clearInterval(timer);
    if (isTTY) process.stdout.write("\r\x1b[K");
  };
}

/** Plays seeds on several cores, each worker one after the other. */
async function playAll(
  first: number,
  count: number,
  jobs: number,
  onResult: (result: Result) => void,
): Promise<void> {
  let next = first;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      let seed = 0;
      let timer: NodeJS.Timeout | undefined;
      const worker = new Worker(new URL(import.meta.url), { resourceLimits });
      const goOn = () => {
        clearTimeout(timer);
        if (next >= first + count) return void worker.terminate().then(() => resolve(), reject);
        seed = next++;
        timer = setTimeout(() => giveUp("it does not come to an end"), seedLimitMs);
        worker.postMessage(seed);
      };
      const giveUp = (message: string) => {
        clearTimeout(timer);
        const violations = [{ atMs: 0, invariant: "endless" as const, message }];
        onResult({ seed, violations, rollouts: 0, requests: 0, counts: [] });
        void worker
          .terminate()
          .then(() => (next < first + count ? one() : undefined))
          .then(resolve, reject);
      };
      worker.on("message", (result: Result) => {
        onResult(result);
        goOn();
      });
      worker.on("error", (error) => giveUp(String(error.stack)));
      goOn();
    });
  await Promise.all(Array.from({ length: Math.min(jobs, count) }, one));
}

function work(): void {
  parentPort?.on("message", async (seed: number) => {
    const { violations, tally, rollouts, requests } = await play(seed);
    const result: Result = { seed, violations, rollouts, requests, counts: [...tally.counts] };
    parentPort?.postMessage(result);
  });
}

/** @returns whether something never occurred that has to */
function showCoverage({ counts }: Tally, isWhole: boolean): boolean {
  const names = [...new Set([...mustOccur, ...counts.keys()])].sort();
  const kinds = [...new Set(names.map((name) => name.split(" ")[0] ?? ""))];
  console.log("How often it occurred:");
  for (const kind of kinds) {
    const ofKind = names.filter((name) => name.startsWith(`${kind} `));
    const list = ofKind.map((name) => `${name.slice(kind.length + 1)} ${counts.get(name) ?? 0}`);
    console.log(`  ${kind}: ${list.join(", ")}`);
  }
  const missing = mustOccur.filter((name) => !counts.has(name));
  if (missing.length > 0) {
    const verdict = isWhole ? paint("red", "Never occurred") : "Did not occur in so few seeds";
    console.log(`${verdict}: ${missing.join(", ")}`);
  }
  return isWhole && missing.length > 0;
}

function titleOf({ seed, violations }: Result): string {
  return `Seed ${seed}: ${violations[0]?.invariant}: ${violations[0]?.message}`;
}

/** What was broken, how to see it again, and what led there. */
async function showFailure(result: Result): Promise<void> {
  const { seed, violations } = result;
  const [violation] = violations;
  console.log(paint("red", `\n${titleOf(result)}`));
  console.log(`Play it again: npm run simulate-seeds -- --seed ${seed} --trace`);
  if (violation?.invariant === "endless") return;
  const { trace } = await play(seed, { isTraced: true });
  const until = trace.short.findIndex((line) => line.includes("VIOLATION")) + 1;
  const lines = trace.short.slice(0, until === 0 ? undefined : until).slice(-traceLines);
  for (const line of lines) console.log(line.slice(0, 200));
}

function paint(style: "red", text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

if (isMainThread) await main();
else work();
