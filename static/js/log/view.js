// Draws the lines near the eye, and only those, into a space as high as the whole log. Heights are whole rows, so that
// nothing has to be measured: what is in memory is exact, what is not yet read is estimated by its bytes.
import { PLAIN, parse, styleAfter } from "./ansi.js";
import { visible } from "./lines.js";

const SPARE = 30;
const MOST_PIXELS = 8_000_000;
const MOST_KEPT_FOR_SELECTION = 5000;

export class View {
  /** `box` scrolls; `lines` is what is in memory. `size()` is the log's size in bytes. */
  constructor(box, lines, size) {
    this.box = box;
    this.lines = lines;
    this.size = size;
    this.drawn = new Map();
    this.found = null;
    this.needle = "";
    this.space = document.createElement("div");
    this.space.className = "log-space";
    box.replaceChildren(this.space);
    this.measure();
  }

  /** Read the height of a row and the width of a character from the page. */
  measure() {
    const probe = document.createElement("div");
    probe.className = "log-row";
    const text = document.createElement("span");
    text.textContent = "0".repeat(100);
    probe.append(text);
    this.space.append(probe);
    this.row = probe.getBoundingClientRect().height || 20;
    const style = getComputedStyle(probe);
    const inner = this.box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    this.fit = Math.max(20, Math.floor(inner / (text.getBoundingClientRect().width / 100)));
    probe.remove();
  }

  get wraps() {
    return this.lines.columns > 0;
  }

  wrap(on) {
    const top = this.topOffset();
    this.box.classList.toggle("log-wrap", on);
    this.lines.columns = on ? this.fit : 0;
    this.forget();
    this.layOut();
    if (top !== null) this.scrollToOffset(top, 0);
  }

  /** Where the lines in memory stand in the space, in pixels. */
  layOut() {
    const { start, end, bytes, rowCount } = this.lines;
    const size = Math.max(this.size(), end);
    const perByte = Math.min(bytes ? (rowCount * this.row) / bytes : 0.2, MOST_PIXELS / Math.max(1, size));
    this.perByte = perByte;
    this.top = Math.round(start * perByte);
    this.height = rowCount * this.row;
    const below = end < size ? Math.max(this.row, Math.round((size - end) * perByte)) : 0;
    this.space.style.height = `${this.top + this.height + below}px`;
  }

  /** Draw what can be seen. Rows that stay keep their elements, and with them a selection. */
  draw() {
    const first = this.box.scrollTop - this.top;
    const last = first + this.box.clientHeight;
    const wanted = this.wanted(Math.floor(first / this.row) - SPARE, Math.ceil(last / this.row) + SPARE);
    for (const [key, element] of this.drawn) {
      if (wanted.has(key)) continue;
      element.remove();
      this.drawn.delete(key);
    }
    let cursor = this.space.firstChild;
    for (const [key, place] of wanted) {
      const element = this.element(key, place);
      element.style.transform = `translateY(${this.top + place.row * this.row}px)`;
      if (element === cursor) cursor = cursor.nextSibling;
      else this.space.insertBefore(element, cursor);
    }
  }

  wanted(from, to) {
    const kept = this.selectedRows();
    const low = Math.max(0, Math.min(from, kept?.[0] ?? from));
    const high = Math.max(to, kept?.[1] ?? to);
    const wanted = new Map();
    let place = this.lines.at(low);
    while (place && place.row <= high) {
      wanted.set(place.chunk.offset(place.line), place);
      place = this.lines.next(place);
    }
    return wanted;
  }

  selectedRows() {
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed || !this.space.contains(selection.anchorNode)) return null;
    const rows = [selection.anchorNode, selection.focusNode]
      .map((node) => (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)?.closest(".log-row"))
      .filter(Boolean)
      .map((element) => this.lines.rowOf(Number(element.dataset.offset)))
      .filter((row) => row !== null);
    if (!rows.length) return null;
    const ends = [Math.min(...rows), Math.max(...rows)];
    return ends[1] - ends[0] > MOST_KEPT_FOR_SELECTION ? null : ends;
  }

  element(offset, { chunk, line }) {
    const text = chunk.text(line);
    let element = this.drawn.get(offset);
    if (element?.source === text) return element;
    if (!element) {
      element = document.createElement("div");
      element.dataset.offset = offset;
      this.drawn.set(offset, element);
    }
    element.source = text;
    element.className = `log-row${chunk.isGap ? " log-gap" : ""}${offset === this.found ? " log-row-found" : ""}`;
    element.replaceChildren(...this.parts(chunk, line, text), "\n");
    return element;
  }

  parts(chunk, line, text) {
    const { parts } = parse(text, this.styleAt(chunk, line));
    const nodes = parts.map(([words, classes]) => {
      if (!classes) return document.createTextNode(words);
      const span = document.createElement("span");
      span.className = classes;
      span.textContent = words;
      return span;
    });
    return this.needle && visible(text).toLowerCase().includes(this.needle) ? marked(text, this.needle) : nodes;
  }

  // A colour that was begun on an earlier line of the chunk still holds.
  styleAt(chunk, line) {
    if (chunk.plain) return PLAIN;
    if (!chunk.carried) {
      chunk.carried = [];
      let style = PLAIN;
      for (let at = 0; at < chunk.count; at += 1) {
        chunk.carried.push(style);
        style = styleAfter(chunk.text(at), style);
      }
    }
    return chunk.carried[line] ?? PLAIN;
  }

  forget() {
    this.drawn.clear();
    this.space.replaceChildren();
  }

  /** Mark what is searched for, and the line that was found. */
  mark(offset, needle) {
    this.found = offset;
    this.needle = needle.toLowerCase();
    this.forget();
    this.draw();
  }

  topOffset() {
    const place = this.lines.at(Math.max(0, Math.floor((this.box.scrollTop - this.top) / this.row)));
    return place ? place.chunk.offset(place.line) : null;
  }

  /** Put the line that holds `offset` at `share` of the box's height; false where it is not in memory. */
  scrollToOffset(offset, share) {
    const row = this.lines.rowOf(offset);
    if (row === null) return false;
    this.box.scrollTop = this.top + row * this.row - this.box.clientHeight * share;
    this.draw();
    return true;
  }

  scrollToEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.draw();
  }

  get isAtEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < this.row * 1.5;
  }
}

function marked(text, needle) {
  const plain = visible(text);
  const lower = plain.toLowerCase();
  const nodes = [];
  let at = 0;
  for (let next = lower.indexOf(needle); next >= 0; next = lower.indexOf(needle, at)) {
    const mark = document.createElement("mark");
    mark.textContent = plain.slice(next, next + needle.length);
    nodes.push(plain.slice(at, next), mark);
    at = next + needle.length;
  }
  nodes.push(plain.slice(at));
  return nodes;
}
