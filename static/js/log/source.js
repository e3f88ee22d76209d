// Where the bytes of a job's log come from: pieces by offset, and the server's search.
import { Chunk } from "./lines.js";

const NEWLINE = 10;

export class Source {
  /** `base` is the job's address in the API; `size` is how far the log is known to reach. */
  constructor(base, size) {
    this.base = base;
    this.size = size;
    this.cut = [Infinity, Infinity];
  }

  /** Chunks of whole lines from the first line that begins at `offset` or later, up to about `length` bytes. */
  async read(offset, length) {
    const from = offset === this.cut[0] ? offset : Math.max(0, offset - 1);
    const { start, bytes } = await this.fetch(from, length + offset - from);
    const first = start === from && from > 0 ? bytes.indexOf(NEWLINE) + 1 : 0;
    const isLast = start + bytes.length >= this.size || start + bytes.length === this.cut[0];
    const whole = isLast ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1 || bytes.length;
    return this.pieces(offset, start + first, start > offset, bytes.subarray(first, Math.max(first, whole)));
  }

  /** Chunks of just these bytes, whole lines or not. */
  async readExactly(offset, length) {
    const { start, bytes } = await this.fetch(offset, length);
    return this.pieces(offset, start, start > offset, bytes);
  }

  // What was cut out is one line, wherever in it one looks.
  pieces(offset, start, hasGap, bytes) {
    const lines = new Chunk(start, bytes);
    if (!hasGap) return [lines];
    return [missing(start === this.cut[1] ? Math.min(offset, this.cut[0]) : offset, start), lines];
  }

  async fetch(offset, length) {
    const response = await ask(`${this.base}/logs?offset=${offset}&limit=${length}`);
    if (!response.ok) throw new Error(`The log could not be read (${response.status}).`);
    const start = Number(response.headers.get("Lattice-Log-Start") ?? offset);
    this.grow(Number(response.headers.get("Lattice-Log-Size") ?? 0));
    this.cut = response.headers.get("Lattice-Log-Cut")?.split("-").map(Number) ?? this.cut;
    return { start, bytes: new Uint8Array(await response.arrayBuffer()) };
  }

  /** Lines that hold `q`, or with `kind: "error"` look like an error, from byte `after` on. */
  async matches(query, after) {
    const response = await ask(`${this.base}/log-matches?${new URLSearchParams({ ...query, after })}`);
    if (!response.ok) throw new Error(`The log could not be searched (${response.status}).`);
    return response.json();
  }

  /** How far the log reaches now, and whether that is all: `{size, ended}`, as the page's stream tells it too. */
  async reach() {
    const response = await ask(this.base);
    if (!response.ok) throw new Error(`The job could not be read (${response.status}).`);
    const job = await response.json();
    return { size: job.log_size, ended: job.finished_at !== null };
  }

  grow(size) {
    this.size = Math.max(this.size, size);
  }
}

async function ask(address) {
  try {
    return await fetch(address);
  } catch {
    throw new Error("The server could not be reached"); // browsers have words of their own, each others
  }
}

const missing = (from, to) =>
  Chunk.missing(from, to, `… ${((to - from) / 1048576).toFixed(1)} MiB of the log were cut out here …\n`);
