import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundleSeeds } from "./bundle-seeds.js";

process.env.AWS_EC2_METADATA_DISABLED = "true";
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

const folder = mkdtempSync(join(tmpdir(), "zero-deploy-seeds-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "seeds.mjs");
await bundleSeeds(process.cwd(), file);
await import(pathToFileURL(file).href);
