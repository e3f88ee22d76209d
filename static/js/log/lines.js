// A bounded stretch of a log in memory: bytes in chunks of whole lines, found by index, by visual row or by offset.
// It never fetches and never draws.

const NEWLINE = 10;
const ESCAPE = 27;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const WIDE_ALL = new RegExp(WIDE.source, "gu");
const CONTROL = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f]/g;

/** Whole lines from byte `start` on. */
export class Chunk {
  constructor(start, bytes) {
    this.start = start;
    this.setBytes(bytes);
  }

  /** One line in place of the bytes between two offsets that the log no longer has. */
  static missing(start, end, text) {
    const chunk = new Chunk(start, encoder.encode(text));
    chunk.end = end;
    chunk.isGap = true;
    return chunk;
  }

  /** The part of the chunk that lies before byte `end` of the log. */
  before(end) {
    return this.isGap || this.end <= end ? this : new Chunk(this.start, this.bytes.subarray(0, end - this.start));
  }

  setBytes(bytes) {
    this.bytes = bytes;
    this.end = this.start + bytes.length;
    this.starts = lineStarts(bytes);
    this.plain = !bytes.includes(ESCAPE);
    this.rows = null;
    this.carried = null;
  }

  get count() {
    return this.starts.length;
  }

  get finished() {
    return this.isGap || this.bytes.length === 0 || this.bytes[this.bytes.length - 1] === NEWLINE;
  }

  offset(line) {
    return this.start + this.starts[line];
  }

  /** The line's text as it came, without its end. A progress bar's line is its last state. */
  text(line) {
    const end = line + 1 < this.count ? this.starts[line + 1] : this.bytes.length;
    const text = decoder.decode(this.bytes.subarray(this.starts[line], end)).replace(/[\r\n]+$/, "");
    return text.includes("\r") ? text.slice(text.lastIndexOf("\r") + 1) : text;
  }

  /** Visual rows before each line, and after the last, where a row holds `columns` characters; 0: one row a line. */
  rowsBefore(columns) {
    if (this.rows?.columns !== columns) this.rows = { columns, before: this.measure(columns) };
    return this.rows.before;
  }

  measure(columns) {
    const before = new Uint32Array(this.count + 1);
    for (let line = 0; line < this.count; line += 1) {
      before[line + 1] = before[line] + (columns ? Math.max(1, Math.ceil(width(this.text(line)) / columns)) : 1);
    }
    return before;
  }
}

function lineStarts(bytes) {
  const starts = [];
  for (let at = 0; at < bytes.length; ) {
    starts.push(at);
    const end = bytes.indexOf(NEWLINE, at);
    at = end < 0 ? bytes.length : end + 1;
  }
  return Uint32Array.from(starts);
}

export const visible = (text) => text.replace(CONTROL, "");

function width(text) {
  const plain = visible(text);
  let columns = plain.length;
  if (plain.includes("\t")) columns += 7 * (plain.split("\t").length - 1);
  return WIDE.test(plain) ? columns + plain.match(WIDE_ALL).filter((found) => found.length === 1).length : columns;
}

/** Chunks that follow one another. `columns` is 0 while lines are not wrapped. */
export class Lines {
  chunks = [];
  columns = 0;

  get start() {
    return this.chunks[0]?.start ?? 0;
  }

  get end() {
    return this.chunks.at(-1)?.end ?? 0;
  }

  get bytes() {
    return this.chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
  }

  get rowCount() {
    return this.chunks.reduce((sum, chunk) => sum + this.rowsOf(chunk), 0);
  }

  get count() {
    return this.chunks.reduce((sum, chunk) => sum + chunk.count, 0);
  }

  rowsOf(chunk) {
    return chunk.rowsBefore(this.columns)[chunk.count];
  }

  /** Add bytes behind the last ones; an unfinished last line goes on. */
  append(chunk, limit) {
    const last = this.chunks.at(-1);
    if (last && !last.isGap && !chunk.isGap && (!last.finished || last.bytes.length + chunk.bytes.length < limit)) {
      const bytes = new Uint8Array(last.bytes.length + chunk.bytes.length);
      bytes.set(last.bytes);
      bytes.set(chunk.bytes, last.bytes.length);
      last.setBytes(bytes);
    } else this.chunks.push(chunk);
  }

  prepend(chunk) {
    this.chunks.unshift(chunk);
  }

  /** The line that holds visual row `row`: its chunk, its number there, and the row at which it begins. */
  at(row) {
    let first = 0;
    for (const chunk of this.chunks) {
      const rows = this.rowsOf(chunk);
      if (row < first + rows) {
        const before = chunk.rowsBefore(this.columns);
        const line = lastAtMost(before, row - first, chunk.count);
        return { chunk, line, row: first + before[line] };
      }
      first += rows;
    }
    return null;
  }

  /** The row at which the line that holds the byte at `offset` begins; null where it is not in memory. */
  rowOf(offset) {
    let first = 0;
    for (const chunk of this.chunks) {
      if (offset < chunk.end && offset >= chunk.start) {
        return first + chunk.rowsBefore(this.columns)[lastAtMost(chunk.starts, offset - chunk.start, chunk.count)];
      }
      first += this.rowsOf(chunk);
    }
    return null;
  }

  next({ chunk, line, row }) {
    const before = chunk.rowsBefore(this.columns);
    const after = row + before[line + 1] - before[line];
    if (line + 1 < chunk.count) return { chunk, line: line + 1, row: after };
    const following = this.chunks[this.chunks.indexOf(chunk) + 1];
    return following ? { chunk: following, line: 0, row: after } : null;
  }
}

function lastAtMost(sorted, value, count) {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sorted[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
