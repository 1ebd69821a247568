import { defineConfig } from "vitest/config";
import type { Reporter, TestModule } from "vitest/node";

const reportFile = process.env.TEST_REPORT_FILE;

/** The default reporter counts skipped tests, but does not say why they were. */
const skipReasons: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const result = test.result();
        const reason = result.state === "skipped" ? result.note : undefined;
        const name = `${module.relativeModuleId} > ${test.fullName}`;
        console.log(`skipped: ${name}: ${reason ?? "no reason given"}`);
      }
    }
  },
};

export default defineConfig({
  test: {
    env: {
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    },
    maxWorkers: "100%",
    sequence: { shuffle: true },
    reporters: reportFile
      ? ["default", skipReasons, ["json", { outputFile: reportFile }]]
      : ["default", skipReasons],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["tests/**/*.test.ts"],
          exclude: ["tests/conformance/**"],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          name: "conformance",
          // They mostly wait, for drains and boots in real time: nearly all at once, they take as long as the longest.
          maxWorkers: 6,
          include: ["tests/conformance/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
