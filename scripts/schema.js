import { writeFileSync } from "node:fs";
import { build } from "rolldown";

// Bundled first, as the oldest Node supported does not run TypeScript.
const { output } = await build({ input: "src/config.ts", platform: "node", write: false });
const { configJsonSchema } = await import(
  `data:text/javascript,${encodeURIComponent(output[0].code)}`
);
writeFileSync("config.schema.json", JSON.stringify(configJsonSchema(), null, 2));
