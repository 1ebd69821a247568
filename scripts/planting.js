import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleSeeds } from "./bundle-seeds.js";

/**
 * Copies what the simulation of seeds is made of, so that bugs can be planted in the copy.
 * @param {string} from the checkout
 */
export function copyForPlants(from) {
  const root = mkdtempSync(join(tmpdir(), "zero-deploy-plants-"));
  for (const folder of ["src", "tests/simulation"]) {
    cpSync(join(from, folder), join(root, folder), { recursive: true });
  }
  cpSync(join(from, "package.json"), join(root, "package.json"));
  symlinkSync(join(from, "node_modules"), join(root, "node_modules"));
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/**
 * Plants one bug in a copy, bundles it, and takes it out again.
 * @param {string} root the copy
 * @param {{ readonly file: string, readonly from: string, readonly to: string }} plant what it is
 * @param {string} bundle the file that Node can then run
 * @throws Error where the source has nothing of the kind, or several
 */
export async function plantBug(root, { file, from, to }, bundle) {
  const path = join(root, file);
  const source = readFileSync(path, "utf8");
  if (source.split(from).length !== 2) throw new Error(`${file} has not one: ${from}`);
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  try {
    await bundleSeeds(root, bundle);
  } finally {
    writeFileSync(path, source);
  }
}
