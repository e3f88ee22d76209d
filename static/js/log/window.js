// Keeps a bounded stretch of the log in memory around what is seen: reads on at both ends, drops what is far away,
// starts afresh where somebody jumps. One read at a time.
import { Lines } from "./lines.js";
import { View } from "./view.js";

const PIECE = 512 * 1024;
const MOST_BYTES = 6 * PIECE;
const NEAR_ROWS = 300;
const SETTLE_MS = 90;

export class Window {
  constructor(box, source, onMove, heard) {
    this.box = box;
    this.source = source;
    this.onMove = onMove;
    this.lines = new Lines();
    this.view = new View(box, this.lines, () => source.size);
    this.reading = null;
    this.barrier = -1;
    box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.resized()).observe(box);
    heard("selectionchange", () => this.view.draw());
  }

  get reachesEnd() {
    return this.lines.end >= this.source.size;
  }

  /** Whether more is missing at the end than a follower catches up with in passing. */
  get isFarFromEnd() {
    return this.source.size - this.lines.end > PIECE;
  }

  /** Read around `offset` and show its line at `share` of the height, from the end where `offset` is Infinity. */
  async show(offset, share = 0.35) {
    if (offset !== Infinity && this.view.scrollToOffset(offset, share)) return;
    const from = offset === Infinity ? this.source.size - PIECE : offset - PIECE / 4;
    await this.jump(Math.max(0, from));
    if (offset === Infinity) this.view.scrollToEnd();
    else this.view.scrollToOffset(offset, share);
  }

  async jump(from) {
    await this.exclusively(async () => {
      const chunks = await this.source.read(Math.floor(from), PIECE);
      this.lines.chunks = chunks.filter((chunk) => chunk.count > 0);
      this.barrier = -1;
      this.view.forget();
      this.view.layOut();
    });
  }

  /** Read what has just been written. False where the window has no room for it: its reader looks elsewhere. */
  async readEnd() {
    if (!this.follows && this.lines.bytes > MOST_BYTES) return false;
    if (!this.lines.count || (this.follows && this.source.size - this.lines.end > MOST_BYTES)) {
      await this.show(Infinity); // of so much its reader would see only the last
      return this.lines.count > 0;
    }
    let stays = false;
    await this.exclusively(async () => {
      const from = this.lines.end;
      const chunks = await this.source.readExactly(from, PIECE);
      stays = this.lines.end === from && chunks.at(-1).end > from;
      if (stays) for (const chunk of chunks) this.append(chunk);
    });
    return stays;
  }

  append(chunk) {
    this.lines.append(chunk, PIECE);
    if (this.follows) this.trim(false);
    this.view.layOut();
    if (this.follows) this.view.scrollToEnd();
    else this.view.draw();
  }

  async exclusively(read) {
    while (this.reading) await this.reading;
    this.reading = read();
    try {
      await this.reading;
    } finally {
      this.reading = null;
    }
  }

  scrolled() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.view.draw();
      this.onMove();
      this.extend();
    });
  }

  extend() {
    const { top, height, row } = this.view;
    const seenFrom = this.box.scrollTop - top;
    const seenTo = seenFrom + this.box.clientHeight;
    if (seenTo < 0 || seenFrom > height) this.settle(seenFrom < 0 ? this.box.scrollTop : seenFrom - height);
    else if (this.reading) return;
    else if (seenFrom < NEAR_ROWS * row && this.lines.start > 0 && this.lines.start !== this.barrier) this.readBefore();
    else if (seenTo > height - NEAR_ROWS * row && !this.reachesEnd) this.readAfter();
  }

  // The scroll bar was dragged away from what is in memory: read there once it rests.
  settle() {
    clearTimeout(this.settling);
    this.settling = setTimeout(async () => {
      const { top, height, perByte } = this.view;
      const at = this.box.scrollTop;
      const offset = at < top ? at / perByte : this.lines.end + (at - top - height) / perByte;
      await this.jump(Math.max(0, Math.min(offset, this.source.size - PIECE / 2)));
      // what was cut out is one line, however many bytes: the place that was dragged to lies beyond it now
      this.box.scrollTop = this.lines.chunks[0]?.isGap ? this.view.top : Math.max(at, this.view.top);
      this.scrolled();
    }, SETTLE_MS);
  }

  readBefore() {
    const end = this.lines.start;
    const from = Math.max(0, end - PIECE);
    this.exclusively(async () => {
      const read = await this.source.read(from, end - from);
      const chunks = read.filter((chunk) => chunk.start < end && chunk.count > 0).map((chunk) => chunk.before(end));
      if (this.lines.start !== end) return;
      if (!chunks.length) this.barrier = end;
      const stays = this.view.topOffset();
      const shift = this.shiftOf(stays);
      for (const chunk of chunks.reverse()) this.lines.prepend(chunk);
      this.trim(true);
      this.view.layOut();
      this.keep(stays, shift);
    }).then(() => this.scrolled(), () => {});
  }

  readAfter() {
    const from = this.lines.end;
    this.exclusively(async () => {
      const chunks = await this.source.read(from, PIECE);
      if (this.lines.end !== from) return;
      const stays = this.view.topOffset();
      const shift = this.shiftOf(stays);
      for (const chunk of chunks) if (chunk.count > 0) this.lines.append(chunk, 0);
      this.trim(false);
      this.view.layOut();
      this.keep(stays, shift);
    }).then(() => this.scrolled(), () => {});
  }

  shiftOf(offset) {
    return offset === null ? 0 : this.box.scrollTop - this.view.top - this.lines.rowOf(offset) * this.view.row;
  }

  keep(offset, shift) {
    const row = offset === null ? null : this.lines.rowOf(offset);
    if (row !== null) this.box.scrollTop = this.view.top + row * this.view.row + shift;
    this.view.draw();
  }

  /** Drop whole chunks from the far end until the bound holds. */
  trim(fromEnd) {
    const chunks = this.lines.chunks;
    while (chunks.length > 1 && this.lines.bytes > MOST_BYTES) {
      if (fromEnd) chunks.pop();
      else chunks.shift();
    }
  }

  resized() {
    const stays = this.view.topOffset();
    this.view.measure();
    if (this.view.wraps) this.lines.columns = this.view.fit;
    this.view.layOut();
    if (this.follows) this.view.scrollToEnd();
    else this.keep(stays, 0);
  }
}
