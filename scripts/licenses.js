import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const accepted = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
]);

/**
 * The licences of all packages whose modules are in the bundle. Throws where one is unknown or not accepted.
 * @param {readonly string[]} moduleIds
 */
export function collectLicenses(moduleIds) {
  const packages = [...new Set(moduleIds.map(packageFolder))]
    .filter((folder) => folder !== process.cwd())
    .map(readPackage)
    .sort((a, b) => (a.title < b.title ? -1 : 1));

  const apacheText = packages.find(({ license, text }) => license === "Apache-2.0" && text)?.text;
  /** @type {Map<string, string[]>} */
  const titlesByText = new Map();
  for (const { title, license, text } of packages) {
    if (!accepted.has(license)) throw new Error(`${title}: licence ${license} is not accepted`);
    // Only this licence reads the same for every author; the others name theirs.
    const wholeText = text || (license === "Apache-2.0" && apacheText);
    if (!wholeText) throw new Error(`${title}: has no licence text`);
    titlesByText.set(wholeText, [...(titlesByText.get(wholeText) ?? []), `${title} (${license})`]);
  }
  const sections = [...titlesByText].map(([text, titles]) => `${titles.join("\n")}\n\n${text}\n`);
  return [
    "zero-deploy.js contains code of the following packages, each under the licence below its name.\n",
    ...sections,
  ].join(`\n${"-".repeat(80)}\n\n`);
}

/** @param {string} moduleId */
function packageFolder(moduleId) {
  // The bundler's own helpers have no file.
  const file = moduleId.startsWith("\0rolldown/")
    ? fileURLToPath(import.meta.resolve("rolldown"))
    : resolve(moduleId);
  let folder = dirname(file);
  // A package.json without a name only marks a folder as ESM or CommonJS.
  while (!manifestOf(folder)?.name) {
    if (folder === dirname(folder)) throw new Error(`${moduleId} belongs to no package`);
    folder = dirname(folder);
  }
  return folder;
}

/** @param {string} folder */
function manifestOf(folder) {
  const file = join(folder, "package.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

/** @param {string} folder */
function readPackage(folder) {
  const { name, version, license } = manifestOf(folder);
  const text = readdirSync(folder)
    .filter((file) => /^(licen[cs]e|copying|copyright|notice)/i.test(file))
    .sort()
    .map((file) => readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim())
    .join("\n\n");
  return { title: `${name} ${version}`, license: String(license), text };
}
