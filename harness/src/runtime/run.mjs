// Runs the built worker under workerd as wrangler.toml says, for as long as standard input is open.
//
// The first line of standard input is the options, as JSON: root, bundle, port, bindings,
// replaceRoutes, storage, longestWait, connections. Each further line is what the platform does of itself: {"cron"} whose time has
// come, or {"queue","message"}, which it moves to the queue bound as that. Standard output is JSON lines:
// {"ready":{url,workerd}} once, {"log":{level,message}} for what the worker writes to its console.
// Closing standard input ends it, however the parent ended.
//
// `wrangler dev` would do the same behind a proxy that costs more than the worker's own work.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import path from "node:path";
import { Log, LogLevel, Miniflare } from "miniflare";

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

// The worker's module as the runtime loads it: what it exports, on the platform of `platform.js`.
function entry({ connections, longestWait }, { queueProducers, durableObjects }) {
  const rules = { connections, longestWait, queues: Object.keys(queueProducers ?? {}) };
  const classes = Object.values(durableObjects ?? {}).map(({ className }) => className);
  const object = (name) => {
    // That of a large object.
    const options = { hastyAlarm: name === "PartsCoordinator" };
    // A build of another version may lack one that wrangler.toml names now.
    return `export const ${name} = platform.object(all.${name} ?? class {}, ${JSON.stringify(options)});`;
  };
  return `
import worker, * as all from "./index.js";
import { around } from "./platform.js";
export * from "./index.js";
const platform = around(${JSON.stringify(rules)});
export default platform.entrypoint(worker);
${classes.map(object).join("\n")}
`;
}

async function modules(options, declared) {
  const folder = options.bundle;
  const wasm = (await readdir(folder)).filter((name) => name.endsWith(".wasm"));
  const module = async (type, name, file) => ({ type, path: path.join(folder, name), contents: await readFile(file) });
  const own = (type, name) => module(type, name, path.join(folder, name));
  const isBare = options.connections === null && options.longestWait === null;
  const platform = new URL("platform.js", import.meta.url);
  return Promise.all([
    ...(isBare
      ? []
      : [
          { type: "ESModule", path: path.join(folder, "entry.js"), contents: entry(options, declared) },
          module("ESModule", "platform.js", platform),
        ]),
    own("ESModule", "index.js"),
    ...wasm.map((name) => own("CompiledWasm", name)),
  ]);
}

// What wrangler reads in wrangler.toml. Loading wrangler takes longer than all the rest, so what it
// said is kept until the file or wrangler changes.
async function declaredWorker(root) {
  const config = path.join(root, "wrangler.toml");
  const hash = createHash("sha256");
  for (const file of [config, path.join(root, "package-lock.json")]) hash.update(await readFile(file));
  const kept = path.join(root, "target/setup", `worker-${hash.digest("hex").slice(0, 16)}.json`);
  try {
    return JSON.parse(await readFile(kept, "utf8"));
  } catch {
    // Not read yet.
  }
  const { unstable_getMiniflareWorkerOptions } = await import("wrangler");
  // A .dev.vars or .env that lies about must not change what runs.
  const { workerOptions } = unstable_getMiniflareWorkerOptions(config, undefined, { envFiles: [] });
  const { modulesRules, ...worker } = workerOptions;
  await mkdir(path.dirname(kept), { recursive: true });
  await writeFile(`${kept}.${process.pid}`, JSON.stringify(worker));
  await rename(`${kept}.${process.pid}`, kept);
  return worker;
}

async function mainWorker(options) {
  const worker = await declaredWorker(options.root);
  const declared = Object.entries(worker.bindings ?? {}).filter(
    ([name]) => !(options.replaceRoutes && name.startsWith("ROUTE_")),
  );
  const limits = Object.entries(worker.ratelimits ?? {}).filter(([name]) => !(name in options.bindings));
  // A number in the place of a limiter is its limit.
  for (const [name, { simple, ...limit }] of Object.entries(worker.ratelimits ?? {})) {
    const number = options.bindings[name];
    if (typeof number === "number") {
      limits.push([name, { ...limit, simple: { ...simple, limit: number } }]);
      delete options.bindings[name];
    }
  }
  return {
    ...worker,
    // A variable of a limiter's name stands in its place, and nothing is limited.
    ratelimits: Object.fromEntries(limits),
    // And one of a queue's name stands in its place.
    queueProducers: Object.fromEntries(
      Object.entries(worker.queueProducers ?? {}).filter(([name]) => !(name in options.bindings)),
    ),
    modules: await modules(options, worker),
    compatibilityFlags: [...(worker.compatibilityFlags ?? []), "nodejs_als"],
    modulesRoot: options.bundle,
    // Every request of ours would go through a worker of Miniflare's that takes out a header which
    // none of them has.
    stripCfConnectingIp: false,
    bindings: { ...Object.fromEntries(declared), ...options.bindings },
    // Past Miniflare's own entry worker, which takes longer than a small request does.
    unsafeDirectSockets: [{ host: "127.0.0.1", port: options.port }],
  };
}

// The process id of the workerd that this process started, where the system tells.
async function workerd() {
  try {
    const children = await readFile(`/proc/self/task/${process.pid}/children`, "utf8");
    for (const child of children.trim().split(" ")) {
      if ((await readFile(`/proc/${child}/comm`, "utf8")).trim() === "workerd") return Number(child);
    }
  } catch {
    // No /proc here.
  }
  return null;
}

const input = createInterface({ input: process.stdin });
const lines = input[Symbol.asyncIterator]();
const { value: first } = await lines.next();
const options = JSON.parse(first);

const worker = await mainWorker(options);
const miniflare = new Miniflare({
  workers: [worker],
  host: "127.0.0.1",
  port: 0,
  // Nothing of the internet is needed to run; `Request.cf` stays empty.
  cf: false,
  durableObjectsPersist: options.storage ?? false,
  log: new Log(LogLevel.ERROR),
  structuredWorkerdLogs: true,
  handleStructuredLogs: ({ level, message }) => say({ log: { level, message } }),
});

// Ends when the parent closes our standard input or dies.
const ended = (async () => {
  for await (const line of lines) {
    const { cron, queue, message } = JSON.parse(line);
    if (queue) {
      await (await miniflare.getQueueProducer(queue)).send(message);
    } else {
      await (await miniflare.getWorker()).scheduled({ cron });
    }
  }
})();

let failure;
try {
  await miniflare.ready;
  const url = await miniflare.unsafeGetDirectURL();
  say({ ready: { url: url.origin, workerd: await workerd() } });
  await ended;
} catch (error) {
  failure = error;
}
// After a failed start this reports the same failure again.
await miniflare.dispose().catch(() => {});
if (failure) console.error(failure.stack);
process.exit(failure ? 1 : 0);
