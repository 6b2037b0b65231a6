// What of Cloudflare's platform workerd by itself lacks, around the handlers of a worker; and, for tests, a
// platform on which nothing waits for long. `run.mjs` loads this into the runtime beside the worker.
import { AsyncLocalStorage } from "node:async_hooks";

// The connections of the invocation that runs. It follows every promise, those of wasm as well.
const running = new AsyncLocalStorage();

// "Each Worker invocation can have up to six connections simultaneously waiting for response headers": fetch
// and the queues' send and sendBatch count, as do KV, Cache, R2 and sockets, which no worker here uses. "Once
// response headers arrive for a connection, it no longer counts", and a seventh "is queued until one of the
// existing connections receives its response headers". A call of a Durable Object is not in that list, and each
// object has six of its own.
// https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections
// https://developers.cloudflare.com/durable-objects/platform/limits/
//
// A call through a service binding or `ctx.exports` would share its caller's six, by the same page. No worker
// here makes one, and none would gain by it.
class Connections {
  #free;
  #waiting = [];

  constructor(limit) {
    this.#free = limit;
  }

  // Calls `send` when a place is free, and gives its promise.
  open(send, signal) {
    if (this.#free > 0) {
      this.#free -= 1;
      return this.#begin(send);
    }
    return new Promise((resolve, reject) => {
      const turn = () => this.#begin(send).then(resolve, reject);
      this.#waiting.push(turn);
      // What is given up while it waits fails at once, and takes nobody's place.
      const giveUp = () => {
        const place = this.#waiting.indexOf(turn);
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        send().then(resolve, reject);
      };
      signal?.addEventListener("abort", giveUp, { once: true });
    });
  }

  #begin(send) {
    const answer = send();
    answer.then(this.#leave, this.#leave);
    return answer;
  }

  #leave = () => {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  };
}

const fetchAtOnce = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const connections = running.getStore();
  if (!connections) return fetchAtOnce(input, init);
  return connections.open(() => fetchAtOnce(input, init), init?.signal);
};

// What is around the handlers, by `rules`: `connections`, how many of an invocation may wait, `longestWait`, in
// seconds, `queues`, the names of their bindings. Null: no limit.
export function around({ connections, longestWait, queues }) {
  const longest = longestWait ?? Infinity;
  const shortened = (options) =>
    longestWait === null ? options : { ...options, delaySeconds: Math.min(options?.delaySeconds ?? 0, longest) };

  const invocation = () => (connections === null ? undefined : new Connections(connections));

  const queue = (bound) => {
    const counted = (send) => {
      const open = running.getStore();
      return open ? open.open(send) : send();
    };
    return {
      send: (message, options) => counted(async () => bound.send(message, shortened(options))),
      sendBatch: (messages, options) => counted(async () => bound.sendBatch(messages, shortened(options))),
    };
  };

  // The bindings, with queues that count. The platform gives an isolate the same object again and again.
  const made = new WeakMap();
  const bindings = (env) => {
    if (!made.has(env)) {
      const bound = queues.filter((name) => typeof env[name]?.sendBatch === "function");
      made.set(env, { ...env, ...Object.fromEntries(bound.map((name) => [name, queue(env[name])])) });
    }
    return made.get(env);
  };

  const hurried = (event) => {
    if (longestWait === null || !event.messages) return event;
    for (const message of event.messages) {
      const retry = message.retry.bind(message);
      message.retry = (options) => retry(shortened(options));
    }
    return event;
  };

  const HANDLERS = ["fetch", "queue", "scheduled"];

  // The worker's default export: an object of handlers, or a class of them.
  const entrypoint = (worker) => {
    if (typeof worker !== "function") {
      const handlers = HANDLERS.filter((name) => worker[name]).map((name) => [
        name,
        (event, env, ctx) => running.run(invocation(), () => worker[name](hurried(event), bindings(env), ctx)),
      ]);
      return { ...worker, ...Object.fromEntries(handlers) };
    }
    class Entrypoint extends worker {}
    for (const name of HANDLERS) {
      const handler = worker.prototype[name];
      if (!handler) continue;
      Entrypoint.prototype[name] = function (event) {
        const called = { env: bindings(this.env), ctx: this.ctx };
        return running.run(invocation(), () => handler.call(called, hurried(event)));
      };
    }
    return Entrypoint;
  };

  // A class of Durable Objects. All requests of an object share its connections.
  const object = (Class, { hastyAlarm }) => {
    const opened = Symbol("connections");
    class Limited extends Class {
      constructor(state, env) {
        if (hastyAlarm && longestWait !== null) {
          const set = state.storage.setAlarm.bind(state.storage);
          state.storage.setAlarm = (time, options) => set(Math.min(time, Date.now() + 1000 * longest), options);
        }
        super(state, bindings(env));
      }
    }
    for (const name of ["fetch", "alarm"]) {
      const handler = Class.prototype[name];
      if (!handler) continue;
      Limited.prototype[name] = function (...given) {
        this[opened] ??= invocation();
        return running.run(this[opened], () => handler.apply(this, given));
      };
    }
    return Limited;
  };

  return { entrypoint, object };
}
