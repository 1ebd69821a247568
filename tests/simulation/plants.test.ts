// Goal: seeds find bugs. Method: ten bugs are planted, one at a time, in a copy of the source; for each, the seed named
// beside it has to break the invariant named there, and must break none without it.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { copyForPlants, plantBug } from "../../scripts/planting.js";
import { plants } from "./seeds/plants.js";
import { play } from "./seeds/play.ts";

describe("a planted bug", () => {
  const { root, remove } = copyForPlants(process.cwd());
  afterAll(remove);

  it.each(plants)(
    "is found: $name, by seed $seed ($invariant)",
    async (plant) => {
      const { name, seed, invariant } = plant;
      expect((await play(seed)).violations, "without it").toEqual([]);
      const file = join(root, "planted.mjs");
      await plantBug(root, plant, file);
      const { stdout, status } = spawnSync(
        process.execPath,
        [file, "--seed", String(seed), "--list"],
        {
          encoding: "utf8",
          timeout: 60_000,
        },
      );
      expect(stdout, `find another seed: node scripts/plant-seeds.js "${name}"`).toContain(
        `Seed ${seed}: ${invariant}: `,
      );
      expect(status).toBe(1);
    },
    60_000,
  );

  it("is refused where the source has not what it is to change", async () => {
    const plant = { file: "src/deploy.ts", from: "nothing of the kind", to: "" };
    await expect(plantBug(root, plant, join(root, "none.mjs"))).rejects.toThrow(/has not one/);
  });
});
