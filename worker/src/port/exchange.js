// Whole exchanges with a store: each crossing between wasm and JavaScript costs more than most of what is
// done here, so request, headers and a short body are one call and one promise.

// How often time limits are looked at, in milliseconds.
const TICK = 5000;

// Room that is left before and behind a body that is read to be sent on, for what is sent around it. Fewer bytes than
// these are copied sooner.
const BEFORE = 4096;
const BEHIND = 256;
const COPIED = 16384;

// The exchanges of one invocation or object, and one timer for all their time limits.
export class Exchanges {
  #pending = new Set();
  #ticks = false;

  // Sends `prefix`, `body` and `suffix`, where there is a `body`, to `url`, under the members of `init`, which is
  // JSON. Gives status and headers as lines, the body if it says that it has at most `short` bytes, and the reply.
  // Rejects after `limit` milliseconds.
  exchange(url, init, prefix, body, suffix, short, limit) {
    const request = JSON.parse(init);
    // Now: the views end with the first wait.
    if (body) request.body = enclosed(prefix, body, suffix);
    return new Promise((resolve, reject) => {
      const entry = { until: Date.now() + limit, limit, reject };
      this.#pending.add(entry);
      this.#tick();
      whole(url, request, short)
        .then(resolve, reject)
        .finally(() => this.#pending.delete(entry));
    });
  }

  #tick() {
    if (this.#ticks || this.#pending.size === 0) return;
    this.#ticks = true;
    setTimeout(() => {
      this.#ticks = false;
      const now = Date.now();
      for (const entry of this.#pending) {
        if (now < entry.until) continue;
        // What never ends would keep the timer, and with it an object, awake.
        this.#pending.delete(entry);
        entry.reject(new Error(`no end within ${entry.limit / 1000} s`));
      }
      this.#tick();
    }, TICK);
  }
}

async function whole(url, request, short) {
  const reply = await fetch(url, request);
  const { headers } = reply;
  // An array of [name, value] is joined as `name,value`, and a name has no comma. A spread takes twice as long.
  const head = `${reply.status}\n${Array.from(headers).join("\n")}`;
  const length = headers.get("content-length");
  // One that is decoded may be longer than it says.
  const isShort = length !== null && Number(length) <= short && !headers.has("content-encoding");
  const read = request.encodeResponseBody ? withRoom : inMemory;
  return [head, isShort ? await read(reply, Number(length)) : undefined, reply];
}

async function inMemory(reply) {
  return new Uint8Array(await reply.arrayBuffer());
}

async function withRoom(reply, length) {
  if (!reply.body || length < COPIED) return inMemory(reply);
  const room = new Uint8Array(new ArrayBuffer(BEFORE + length + BEHIND), BEFORE, length);
  const { value } = await reply.body.getReader({ mode: "byob" }).readAtLeast(length, room);
  return value;
}

function enclosed(prefix, body, suffix) {
  const length = prefix.length + body.length + suffix.length;
  const { buffer, byteOffset } = body;
  const hasRoom = byteOffset === BEFORE && buffer.byteLength === BEFORE + body.length + BEHIND;
  const fits = hasRoom && prefix.length <= BEFORE && suffix.length <= BEHIND;
  const whole = fits ? new Uint8Array(buffer, BEFORE - prefix.length, length) : new Uint8Array(length);
  if (!fits) whole.set(body, prefix.length);
  whole.set(prefix);
  whole.set(suffix, prefix.length + body.length);
  return whole;
}
