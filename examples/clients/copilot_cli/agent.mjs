// Copilot CLI reads one file, over each wire and transport its own-provider mode has: `node agent.mjs FOLDER`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const WAYS = [
  ["completions", "http"],
  ["responses", "http"],
  ["responses", "websockets"],
];
const [folder] = process.argv.slice(2);
const copilot = fileURLToPath(new URL("node_modules/@github/copilot/npm-loader.js", import.meta.url));

for (const [wire, transport] of WAYS) {
  const asked = ["-p", `What does weather.txt in ${folder} say?`, "--allow-all-tools", "--silent"];
  const env = { ...process.env, COPILOT_PROVIDER_WIRE_API: wire, COPILOT_PROVIDER_TRANSPORT: transport };
  const { status } = spawnSync(process.execPath, [copilot, ...asked], { cwd: folder, env, stdio: "inherit" });
  if (status !== 0) {
    console.error(`Copilot over ${wire} and ${transport} ended with ${status}.`);
    process.exitCode = 1;
  }
}
