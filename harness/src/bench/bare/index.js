// The least that a worker can do to copy an object: one fetch piped into another. No signature, no
// queue, no metadata, no checksum unless asked for: what is left is what the runtime itself costs.
//
// It is asked with POST {source, sink, digest, queued}: two URLs that need no more authorization, the
// name of a checksum to be computed over the bytes, if any, and whether it may go through the queue.

// Large reads, as large as our own pump's.
const CHUNK = 1024 * 1024;

async function digested(body, writable, algorithm) {
  const digest = new crypto.DigestStream(algorithm);
  const [reader, sink, hash] = [body.getReader({ mode: "byob" }), writable.getWriter(), digest.getWriter()];
  let buffer = new ArrayBuffer(CHUNK);
  for (;;) {
    const { value, done } = await reader.readAtLeast(CHUNK / 2, new Uint8Array(buffer));
    if (done) break;
    await Promise.all([sink.write(value), hash.write(value)]);
    buffer = value.buffer;
  }
  await Promise.all([sink.close(), hash.close(), digest.digest]);
}

// wrangler.toml, which it is run with, names them.
export class BatchShare {}
export class PartsCoordinator {}
export class QueuePuller {}
export class RouteLedger {}
export class RouteWalk {}
export class TableLoader {}

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response("POST {source, sink, digest}");
    const message = await request.json();
    if (message.queued) {
      await env.HINTS.send(message);
      return new Response(null, { status: 202 });
    }
    const { source, sink, digest } = message;
    const read = await fetch(source, { encodeResponseBody: "manual" });
    if (!read.ok) return read;
    const { readable, writable } = new FixedLengthStream(Number(read.headers.get("content-length")));
    const written = fetch(sink, { method: "POST", body: readable });
    await (digest ? digested(read.body, writable, digest) : read.body.pipeTo(writable));
    return written;
  },

  // Small bodies, in memory, as many side by side as ours.
  async queue(batch) {
    const messages = batch.messages.values();
    const work = async () => {
      for (const message of messages) {
        const { source, sink } = message.body;
        const read = await fetch(source, { encodeResponseBody: "manual" });
        const written = await fetch(sink, { method: "POST", body: await read.arrayBuffer() });
        await written.arrayBuffer();
        if (read.ok && written.ok) message.ack();
      }
    };
    await Promise.all(Array.from({ length: 24 }, work));
  },
};
