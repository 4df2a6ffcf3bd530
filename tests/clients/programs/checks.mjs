// Checks of a client program: each is printed as a line of JSON. Runs in the client's own environment.
import { isDeepStrictEqual } from "node:util";

const SECONDS = 60;
let failed = false;

export async function check(name, body, seconds = SECONDS) {
  let detail = "";
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${seconds} s`)), seconds * 1000);
  });
  try {
    await Promise.race([body(), late]);
  } catch (error) {
    detail = String(error?.stack ?? error).slice(0, 1000);
    failed = true;
  } finally {
    clearTimeout(timer);
  }
  console.log(JSON.stringify({ check: name, ok: !detail, detail }));
}

export function expect(condition, seen) {
  if (!condition) throw new Error(`seen: ${JSON.stringify(seen)}`);
}

export function equal(seen, wanted) {
  expect(isDeepStrictEqual(seen, wanted), seen);
}

export async function rejects(text, call) {
  try {
    const result = await call;
    throw new Error(`no error but ${JSON.stringify(result)}`);
  } catch (error) {
    expect(String(error.message).includes(text), String(error));
  }
}

export function finish() {
  process.exit(failed ? 1 : 0);
}
