// Qwen Code, a coding agent of Gemini CLI's family, without a terminal; its model is a script behind OpenAI's HTTP API.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { check, expect, finish } from "./checks.mjs";

const [url] = process.argv.slice(2);
const agent = fileURLToPath(import.meta.resolve("@qwen-code/qwen-code/cli-entry.js"));
const SECONDS = 200; // for all calls together
const home = await mkdtemp(join(tmpdir(), "qwen-"));

const CALLS = [
  ["inline_only", { a: 7 }],
  ["add", { a: 40, b: 2 }],
  ["waited_steps", {}],
  ["divide", { a: 1, b: 0 }],
  ["divide", { a: 1, b: 2 }],
  ["refuse", { message: "no such year" }],
  ["task_only", { a: 7 }],
  ["ask", {}],
];
let told = [];

function completion({ messages, tools }) {
  told = messages.filter((message) => message.role === "tool").map((message) => JSON.stringify(message.content));
  const call = tools?.length ? CALLS[told.length] : undefined;
  const made = call && { name: `mcp__mcptasks__${call[0]}`, arguments: JSON.stringify(call[1]) };
  const delta = call
    ? { role: "assistant", tool_calls: [{ index: 0, id: `call_${told.length}`, type: "function", function: made }] }
    : { role: "assistant", content: "done" };
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  const choices = [{ index: 0, finish_reason: call ? "tool_calls" : "stop", delta }];
  return { id: "scripted", object: "chat.completion.chunk", created: 1, model: "scripted", usage, choices };
}

const model = createServer(async (request, response) => {
  const parts = await Array.fromAsync(request);
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(`data: ${JSON.stringify(completion(JSON.parse(Buffer.concat(parts))))}\n\ndata: [DONE]\n\n`);
});
await new Promise((resolve) => model.listen(0, "127.0.0.1", resolve));

const servers = { mcpServers: { mcptasks: { httpUrl: url, trust: true } } };
const args = [agent, "--prompt", "go on", "--mcp-config", JSON.stringify(servers), "--model", "scripted"];
const access = ["--auth-type", "openai", "--openai-api-key", "none"];
const base = ["--openai-base-url", `http://127.0.0.1:${model.address().port}/v1`];

await check("the agent makes all calls of its model", async () => {
  const limit = { timeout: (SECONDS - 10) * 1000, killSignal: "SIGKILL" };
  const options = { cwd: home, env: { PATH: process.env.PATH, HOME: home }, ...limit };
  await new Promise((resolve, reject) => {
    const done = (error, _stdout, stderr) => (error ? reject(new Error(stderr || String(error))) : resolve());
    execFile(process.execPath, [...args, ...access, ...base], options, done).stdin.end();
  });
  expect(told.length === CALLS.length, told);
}, SECONDS);

async function answered(name, number, text) {
  await check(name, async () => expect(told[number]?.includes(text), told[number]));
}

await answered("an inline tool answers", 0, "7");
await answered("a tool that may be a task answers", 1, "42");
await answered("a tool with without_tasks='wait' answers", 2, "3 steps done");
await answered("the model is told what a tool raised", 3, "ZeroDivisionError: division by zero");
await answered("the model calls it again", 4, "0.5");
await answered("a tool's own error reaches the model", 5, "no such year");
await answered("the model is told that a required tool runs only as a task", 6, "runs only as a task");
await answered("the model is told that nobody can be asked", 7, "elicitation");

model.close();
await rm(home, { recursive: true, force: true });
finish();
