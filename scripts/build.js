import { chmodSync, writeFileSync } from "node:fs";
import { rolldown } from "rolldown";
import { collectLicenses } from "./licenses.js";

const file = "dist/zero-deploy.js";

const bundle = await rolldown({
  input: "src/bin.ts",
  platform: "node",
  // Without this order the AWS SDK is bundled as CommonJS, at twice the size and start-up time.
  resolve: { mainFields: ["module", "main"] },
  transform: { target: "node20.19" },
  onLog(level, log) {
    // What the bundler only warns about, such as an import it cannot resolve, fails when it is used.
    if (level === "warn") throw new Error(log.message);
  },
});

// Not minified: that saves no start-up time, and in a stack trace names and lines are worth more than bytes.
const { output } = await bundle.write({
  file,
  format: "esm",
  codeSplitting: false,
  comments: false,
  banner: "#!/usr/bin/env node",
});
await bundle.close();

const modules = output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : []));
writeFileSync("dist/THIRD_PARTY_LICENSES.txt", collectLicenses(modules));
chmodSync(file, 0o755);
