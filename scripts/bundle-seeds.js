import { rolldown } from "rolldown";

/**
 * Bundles the simulation of seeds (tests/simulation/README.md) into one file that Node runs.
 * @param {string} root the checkout, or a copy of it
 * @param {string} file where to
 */
export async function bundleSeeds(root, file) {
  const bundle = await rolldown({
    cwd: root,
    input: "tests/simulation/seeds/main.ts",
    platform: "node",
    resolve: { mainFields: ["module", "main"] },
  });
  await bundle.write({ file, format: "esm", codeSplitting: false });
  await bundle.close();
}
