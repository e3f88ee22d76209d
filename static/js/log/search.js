// Walks from match to match. The server searches; matches are fetched a page at a time, on from what is seen.

const MOST_PAGES_BACK = 50;

export class Search {
  /** `query` is what the server is asked: `{q}` or `{kind: "error"}`. */
  constructor(source, query) {
    this.source = source;
    this.query = query;
    this.offsets = [];
    this.from = 0;
    this.next = 0;
  }

  /** The first match after `offset`, from the beginning where none follows; null where there is none at all. */
  async after(offset) {
    if (!this.offsets.length || offset < this.from) await this.begin(offset);
    for (;;) {
      const found = this.offsets.find((at) => at > offset);
      if (found !== undefined) return found;
      if (this.next === null) break;
      await this.more();
    }
    if (this.from > 0) {
      await this.begin(0);
      return this.after(-1);
    }
    return this.offsets[0] ?? null;
  }

  /** The last match before `offset`, or the last of all. */
  async before(offset) {
    if (this.from > 0 && !(this.offsets[0] < offset)) await this.begin(0);
    let pages = 0;
    while (this.next !== null && this.next <= offset && pages < MOST_PAGES_BACK) {
      await this.more();
      pages += 1;
    }
    return this.offsets.findLast((at) => at < offset) ?? this.offsets.at(-1) ?? null;
  }

  async begin(offset) {
    this.offsets = [];
    this.from = Math.max(0, offset);
    this.next = this.from;
    this.hasCounted = false;
    await this.more();
  }

  async more() {
    const { items, next } = await this.source.matches(this.query, this.next);
    this.offsets.push(...items.map((item) => item.offset));
    this.next = next;
  }

  /** Where all that follow are known, learn of those before too if one answer holds them; whether that was so. */
  async countBefore() {
    if (this.next !== null || this.from === 0 || this.hasCounted) return false;
    this.hasCounted = true;
    const from = this.from;
    const { items, next } = await this.source.matches(this.query, 0).catch(() => ({ items: [], next: 0 }));
    if (from !== this.from || (next !== null && next < from)) return false;
    this.offsets.unshift(...items.map((item) => item.offset).filter((offset) => offset < from));
    this.from = 0;
    return true;
  }

  /** How many are known, and whether that is all. */
  get known() {
    return { count: this.offsets.length, all: this.next === null && this.from === 0 };
  }
}
