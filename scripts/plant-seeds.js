/*
 * Plants each bug of tests/simulation/seeds/plants.js in a copy of the source, and says which seed finds it first, by which
 * invariant, and how many do: node scripts/plant-seeds.js [name] [count of seeds, default 2000]
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { plants } from "../tests/simulation/seeds/plants.js";
import { copyForPlants, plantBug } from "./planting.js";

const [name = "all", count = "2000"] = process.argv.slice(2);
const copy = copyForPlants(process.cwd());
try {
  for (const plant of plants.filter((one) => name === "all" || one.name === name)) {
    const file = join(copy.root, "planted.mjs");
    await plantBug(copy.root, plant, file);
    const args = ["--single-threaded-gc", file, "--seed", "1", "--count", count, "--list"];
    const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 1e8 });
    const found = stdout.split("\n").filter((line) => /^Seed \d+: [a-z-]+:/.test(line));
    const [, seed, invariant] = /^Seed (\d+): ([a-z-]+):/.exec(found[0] ?? "") ?? [];
    console.log(
      `${plant.name}: seed ${seed}, ${invariant}; ${found.length} of ${count} seeds find it`,
    );
  }
} finally {
  copy.remove();
}
