// Where the bytes of a job's log come from: pieces by offset, the live stream, and the server's search.
import { Chunk } from "./lines.js";

const NEWLINE = 10;
const encoder = new TextEncoder();

export class Source {
  /** `base` is the job's address in the API; `size` is how far the log is known to reach. */
  constructor(base, size) {
    this.base = base;
    this.size = size;
  }

  /** Chunks of whole lines from the first line that begins at `offset` or later, up to about `length` bytes. */
  async read(offset, length) {
    const from = Math.max(0, offset - 1);
    const { start, bytes } = await this.fetch(from, length + offset - from);
    const first = start === from && from > 0 ? bytes.indexOf(NEWLINE) + 1 : 0;
    const whole = start + bytes.length >= this.size ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1 || bytes.length;
    const lines = new Chunk(start + first, bytes.subarray(first, Math.max(first, whole)));
    return start > offset ? [missing(offset, start), lines] : [lines];
  }

  // An answer may hold 8 MiB: what is beyond `length` is left unread.
  async fetch(offset, length) {
    const response = await fetch(`${this.base}/logs?offset=${offset}`);
    if (!response.ok) throw new Error(`The log could not be read (${response.status}).`);
    const start = Number(response.headers.get("Lattice-Log-Start") ?? offset);
    this.size = Math.max(this.size, Number(response.headers.get("Lattice-Log-Size") ?? 0));
    return { start, bytes: await atMost(response.body, length) };
  }

  /** Lines that hold `q`, or with `kind: "error"` look like an error, from byte `after` on. */
  async matches(query, after) {
    const response = await fetch(`${this.base}/log-matches?${new URLSearchParams({ ...query, after })}`);
    if (!response.ok) throw new Error(`The log could not be searched (${response.status}).`);
    return response.json();
  }

  /** Follow from `offset` on; after a cut the stream goes on at the byte where it was. Returns a function that stops it. */
  follow(offset, { onChunk, onEnd, onState }) {
    let at = offset;
    const stream = new EventSource(`${this.base}/logs?follow=1&offset=${offset}`);
    stream.onopen = () => onState("live");
    stream.onerror = () => onState("lost");
    stream.onmessage = (event) => {
      const next = Number(event.lastEventId);
      if (!(next > at)) return;
      onChunk(new Chunk(at, fitted(event.data, next - at)));
      this.size = Math.max(this.size, next);
      at = next;
    };
    stream.addEventListener("gap", (event) => {
      const next = Number(event.lastEventId);
      if (!(next > at)) return;
      onChunk(missing(at, next));
      at = next;
    });
    stream.addEventListener("end", () => {
      stream.close();
      onEnd();
    });
    return () => stream.close();
  }
}

const missing = (from, to) =>
  Chunk.missing(from, to, `… ${((to - from) / 1048576).toFixed(1)} MiB of the log were cut out here …\n`);

async function atMost(body, length) {
  const reader = body.getReader();
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, filled);
    const part = value.subarray(0, length - filled);
    bytes.set(part, filled);
    filled += part.length;
  }
  reader.cancel().catch(() => {});
  return bytes;
}

// An event's data lacks the last line's end, and text that was not UTF-8 came with another length: offsets count the
// log's own bytes, so what is shown is made as long as those.
function fitted(text, length) {
  const bytes = new Uint8Array(length).fill(32);
  bytes.set(encoder.encode(text).subarray(0, length));
  const written = encoder.encode(text).length;
  if (written < length) bytes[length - 1] = NEWLINE;
  return bytes;
}
