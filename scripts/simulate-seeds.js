import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleSeeds } from "./bundle-seeds.js";

const folder = mkdtempSync(join(tmpdir(), "zero-deploy-seeds-"));
try {
  const file = join(folder, "seeds.mjs");
  await bundleSeeds(process.cwd(), file);
  // Each core has a worker of its own to keep busy: V8's own threads for garbage would only be in their way.
  const { status } = spawnSync(
    process.execPath,
    ["--single-threaded-gc", file, ...process.argv.slice(2)],
    {
      stdio: "inherit",
      env: {
        ...process.env,
        AWS_EC2_METADATA_DISABLED: "true",
        AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
      },
    },
  );
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
