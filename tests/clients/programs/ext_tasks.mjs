// The official TypeScript tasks driver, in both protocol versions: node ext_tasks.mjs URL legacy|modern
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createTaskSessionFromClient, resultFromTaskOutcome } from "@modelcontextprotocol/ext-tasks/client";
import { check, equal, expect, finish } from "./checks.mjs";

const [url, era] = process.argv.slice(2);
const modern = era === "modern";
const clientInfo = { name: "ext-tasks", version: "1" };
const protocolVersion = "2026-07-28";
const clientCapabilities = { extensions: { "io.modelcontextprotocol/tasks": {} } };
const framing = { protocolVersion, clientInfo, clientCapabilities };

async function connected() {
  const client = new Client(clientInfo, {
    capabilities: modern ? clientCapabilities : {},
    versionNegotiation: { mode: modern ? "auto" : "legacy" },
  });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

const client = await connected();

let requests = 0;

/** What the driver leaves to its host in the newer version: one request over HTTP. */
async function rawDispatch(request, options) {
  const { method, params = {} } = request;
  const headers = new Headers({
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": protocolVersion,
    "mcp-method": method,
  });
  if (params.name !== undefined) headers.set("mcp-name", params.name);
  // The driver itself names the task in Mcp-Name.
  for (const [name, value] of Object.entries(options?.context?.headers ?? {})) headers.set(name, value);
  const response = await fetch(url, {
    method: "POST",
    signal: options?.signal,
    headers,
    body: JSON.stringify({ jsonrpc: "2.0", id: ++requests, ...request }),
  });
  const text = await response.text();
  const data = text.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
  const message = JSON.parse(data.filter(Boolean).at(-1) ?? text);
  return message.error ? { kind: "error", error: message.error } : { kind: "result", result: message.result };
}

const options = {
  endpointId: "clients",
  tools: { currentTool: (name) => ({ name, inputSchema: { type: "object" }, taskSupport: "optional" }) },
  ...(modern ? { rawDispatch, v2RequestFraming: framing } : {}),
};
const session = createTaskSessionFromClient(client, options);

const task = { preference: "require" };

await check("the version and tasks are agreed on", async () => {
  equal(client.getProtocolEra(), era);
  expect(session.capabilities.execution && session.capabilities.cancellation, session.capabilities);
});

await check("a call becomes a task and gives its result", async () => {
  const execution = await session.callTool("add", { a: 1, b: 2 }, { task });
  equal(execution.kind, "task");
  const { outcome } = await execution.settle();
  equal(resultFromTaskOutcome(outcome).structuredContent, { total: 3, terms: [1, 2] });
});

await check("status messages arrive on the way", async () => {
  const seen = [];
  const execution = await session.callTool("steps", {}, { task });
  await execution.settle({ onEvent: (event) => void seen.push(event.task?.statusMessage) });
  expect(seen.some((message) => message?.startsWith("step ")), seen);
});

await check("another session finds a task again by its reference", async () => {
  const execution = await session.callTool("steps", {}, { task });
  let reference;
  await execution.handoff((persisted) => void (reference = persisted));
  const another = await connected();
  const other = createTaskSessionFromClient(another, options);
  const { outcome } = await (await other.resumeTask(reference)).settle();
  equal(outcome.status, "completed");
  await other.close();
  await another.close();
});

await check("a task is cancelled", async () => {
  const execution = await session.callTool("steps", { count: 600 }, { task });
  await execution.cancel();
  equal((await session.task(execution.handle.taskId).snapshot()).status, "cancelled");
});

await check("a tool's own error arrives", async () => {
  const { outcome } = await (await session.callTool("refuse", { message: "no such year" }, { task })).settle();
  if (modern) expect(resultFromTaskOutcome(outcome).isError, outcome);
  else expect(outcome.status === "failed" && outcome.error.message.includes("no such year"), outcome);
});

await check("a JSON-RPC error arrives", async () => {
  const { outcome } = await (await session.callTool("protocol_error", {}, { task })).settle();
  equal(outcome.status, "failed");
  expect(outcome.error.message.includes("not like this"), outcome.error.message);
});

await session.close();
await client.close();
finish();
