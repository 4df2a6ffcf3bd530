// The official TypeScript SDK 1.x, by its experimental tasks API.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { check, equal, expect, finish, rejects } from "./checks.mjs";

const client = new Client({ name: "typescript-sdk", version: "1" }, { capabilities: { elicitation: { form: {} } } });
client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
  equal(params.message, "Which word?");
  return { action: "accept", content: { word: "tea" } };
});
await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2])));
const tasks = client.experimental.tasks;
await client.listTools();

async function stream(name, args) {
  const messages = [];
  for await (const message of tasks.callToolStream({ name, arguments: args }, CallToolResultSchema, { task: {} })) {
    messages.push(message);
  }
  return messages;
}

await check("tasks are announced", async () => {
  const offered = client.getServerCapabilities().tasks;
  expect(offered?.requests?.tools?.call && offered.cancel && offered.list, offered);
});

await check("a streamed call becomes a task and ends with its result, which is as inline", async () => {
  const messages = await stream("add", { a: 1, b: 2 });
  equal(messages[0].type, "taskCreated");
  equal(messages.at(-1).type, "result");
  equal(messages.at(-1).result.structuredContent, { total: 3, terms: [1, 2] });
  const inline = await client.callTool({ name: "add", arguments: { a: 1, b: 2 } });
  equal(messages.at(-1).result.content, inline.content);
});

await check("status messages arrive on the way", async () => {
  const messages = await stream("steps", {});
  expect(messages.some((message) => message.task?.statusMessage?.startsWith("step ")), messages);
  equal(messages.at(-1).result.content[0].text, "3 steps done");
});

await check("a question of a task is answered", async () => {
  const messages = await stream("ask", {});
  equal(messages.at(-1).result.content[0].text, "tea");
});

await check("tasks are listed and cancelled, once", async () => {
  let taskId;
  for await (const message of tasks.callToolStream({ name: "steps", arguments: { count: 600 } }, CallToolResultSchema, { task: {} })) {
    if (message.type !== "taskCreated") continue;
    taskId = message.task.taskId;
    break;
  }
  const listed = async () => (await tasks.listTasks()).tasks.some((task) => task.taskId === taskId);
  // What one replica has made, another one lists a moment later.
  for (let n = 0; n < 50 && !(await listed()); n++) await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await listed(), taskId);
  equal((await tasks.cancelTask(taskId)).status, "cancelled");
  await rejects("already in terminal status", tasks.cancelTask(taskId));
});

await check("a failure is told; this client never fetches the result of a failed task", async () => {
  const messages = await stream("refuse", { message: "no such year" });
  equal(messages.at(-1).type, "error");
  expect(messages.some((message) => message.task?.statusMessage?.includes("no such year")), messages);
});

await check("the result of a failed task can be fetched", async () => {
  const messages = await stream("refuse", { message: "no such year" });
  const result = await tasks.getTaskResult(messages[0].task.taskId, CallToolResultSchema);
  expect(result.isError && result.content[0].text.includes("no such year"), result);
});

await check("mismatches and unknown ids are refused", async () => {
  await rejects("does not run as a task", client.request({ method: "tools/call", params: { name: "inline_only", arguments: { a: 1 }, task: {} } }, CallToolResultSchema));
  await rejects("only as a task", client.request({ method: "tools/call", params: { name: "task_only", arguments: { a: 1 } } }, CallToolResultSchema));
  await rejects("not found", tasks.getTask("nobody"));
});

await client.close();
finish();
