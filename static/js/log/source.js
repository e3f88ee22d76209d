// Where the bytes of a job's log come from: pieces by offset, the live stream, and the server's search.
import { Chunk } from "./lines.js";

const NEWLINE = 10;

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
    return pieces(offset, start + first, start > offset, bytes.subarray(first, Math.max(first, whole)));
  }

  /** Chunks of just these bytes, whole lines or not. */
  async readExactly(offset, length) {
    const { start, bytes } = await this.fetch(offset, length);
    return pieces(offset, start, start > offset, bytes);
  }

  async fetch(offset, length) {
    const response = await fetch(`${this.base}/logs?offset=${offset}&limit=${length}`);
    if (!response.ok) throw new Error(`The log could not be read (${response.status}).`);
    const start = Number(response.headers.get("Lattice-Log-Start") ?? offset);
    this.size = Math.max(this.size, Number(response.headers.get("Lattice-Log-Size") ?? 0));
    return { start, bytes: new Uint8Array(await response.arrayBuffer()) };
  }

  /** Lines that hold `q`, or with `kind: "error"` look like an error, from byte `after` on. */
  async matches(query, after) {
    const response = await fetch(`${this.base}/log-matches?${new URLSearchParams({ ...query, after })}`);
    if (!response.ok) throw new Error(`The log could not be searched (${response.status}).`);
    return response.json();
  }

  /** Be told how far the log reaches as it grows. The stream resumes by itself. Returns a function that stops it. */
  follow(offset, { onGrowth, onEnd, onState }) {
    const stream = new EventSource(`${this.base}/logs?follow=1&offset=${offset}`);
    const grow = (event) => {
      this.size = Math.max(this.size, Number(event.lastEventId));
      onGrowth();
    };
    stream.onopen = () => onState("live");
    stream.onerror = () => onState("lost");
    stream.onmessage = grow;
    stream.addEventListener("gap", grow);
    stream.addEventListener("end", (event) => {
      stream.close();
      grow(event);
      onEnd();
    });
    return () => stream.close();
  }
}

function pieces(offset, start, hasGap, bytes) {
  const lines = new Chunk(start, bytes);
  return hasGap ? [missing(offset, start), lines] : [lines];
}

const missing = (from, to) =>
  Chunk.missing(from, to, `… ${((to - from) / 1048576).toFixed(1)} MiB of the log were cut out here …\n`);
