// MCP Inspector on the command line: each call is a process of its own.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { check, equal, expect, finish } from "./checks.mjs";

const [url, era] = process.argv.slice(2);
const inspector = fileURLToPath(import.meta.resolve("@modelcontextprotocol/inspector/clients/launcher/build/index.js"));
const SECONDS = 50; // of a call; a check has more
const home = await mkdtemp(join(tmpdir(), "inspector-"));

function inspect(...words) {
  const args = [inspector, "--cli", url, "--transport", "http", "--protocol-era", era, "--format", "json", ...words];
  return new Promise((resolve, reject) => {
    const options = { env: { PATH: process.env.PATH, HOME: home }, timeout: SECONDS * 1000, killSignal: "SIGKILL" };
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (!stdout) reject(new Error(stderr || String(error)));
      else resolve(JSON.parse(stdout).result);
    });
  });
}

async function call(name, args) {
  return inspect("--method", "tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args));
}

await check("tools are listed", async () => {
  const { tools } = await inspect("--method", "tools/list");
  expect(tools.some((tool) => tool.name === "add"), tools);
});

await check("a tool that may be a task answers", async () => {
  equal((await call("add", { a: 1, b: 2 })).structuredContent, { total: 3, terms: [1, 2] });
});

await check("a tool with without_tasks='wait' answers", async () => {
  equal((await call("waited_steps", {})).content[0].text, "3 steps done");
});

await check("a required tool answers, as a task", async () => {
  equal((await call("task_only", { a: 7 })).structuredContent, { result: 7 });
});

await check("what a tool raised is shown", async () => {
  const result = await call("divide", { a: 1, b: 0 });
  expect(result.isError && result.content[0].text.includes("ZeroDivisionError: division by zero"), result);
});

await rm(home, { recursive: true, force: true });
finish();
