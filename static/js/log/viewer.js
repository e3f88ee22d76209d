// The log of a job: tools, search and following around a window of lines. Replaces the plain tail that pages come with.
// The page's stream only says how far the log reaches: its bytes are read by offset, so that none is lost or doubled.
import { isLive } from "../live.js";
import { toast } from "../toasts.js";
import { Search } from "./search.js";
import { Source } from "./source.js";
import { Window } from "./window.js";

const AGAIN_MS = 3000; // after a read that failed
const STATES = { live: "Live", lost: "Reconnecting…", ended: "Complete", paused: "Paused", waiting: "Connecting…" };

export function mount(root) {
  if (root.viewer) return;
  root.viewer = new Viewer(root);
  root.viewer.open();
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.over = root.dataset.ended === "yes"; // nothing more is written
    this.ended = false; // and all of it was read, as far as its reader wanted to
    this.source = new Source(root.dataset.log, Number(root.dataset.size));
    this.box = root.querySelector("[data-log-view]");
    this.query = root.querySelector("[data-log-query]");
    this.current = null;
    this.search = null;
    this.streams = false;
    this.hasFailed = false;
  }

  async open() {
    const heard = whileShown(this.root);
    this.window = new Window(this.box, this.source, () => this.moved(), heard);
    this.listen(heard);
    if (this.over) return this.attempt(() => this.bottom());
    this.follow(true);
    return this.ask();
  }

  // The page's stream may have told of the end before anybody listened.
  async ask() {
    try {
      this.told(await this.source.reach());
    } catch {
      setTimeout(() => this.root.isConnected && this.ask(), AGAIN_MS);
    }
  }

  listen(heard) {
    this.root.addEventListener("click", (event) => {
      const what = event.target.closest("[data-log-do]")?.dataset.logDo;
      if (what) this.attempt(() => this[what]());
    });
    this.query.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.attempt(() => this.find()), 250);
    });
    this.query.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.attempt(() => (event.shiftKey ? this.previous() : this.next()));
    });
    for (const own of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      this.box.addEventListener(own, () => (this.holds = false), { passive: true });
    }
    heard("log", (event) => this.told(JSON.parse(event.detail.data)));
    heard("live", () => this.streams && this.say(isLive() ? "live" : "lost"));
  }

  async attempt(action) {
    try {
      await action();
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  // --- following

  /** What is written from now on is read, as long as the end is in memory. */
  stream() {
    if (this.streams || this.ended) return;
    this.streams = true;
    this.say(isLive() ? "live" : "waiting");
    this.catchUp();
  }

  told({ size, ended }) {
    if (this.ended) return;
    this.source.grow(size);
    this.over ||= ended;
    this.catchUp();
  }

  /** Read on to the end, again and again where that fails; it is told of once. */
  async catchUp() {
    if (this.isCatchingUp) return;
    this.isCatchingUp = true;
    try {
      await this.readOn();
      this.hasFailed = false;
      if (this.over && !this.isJumping) this.finish();
    } catch (error) {
      if (!this.hasFailed) toast(error.message, "bad");
      this.hasFailed = true;
      await new Promise((again) => setTimeout(again, AGAIN_MS));
      if (this.root.isConnected) setTimeout(() => this.catchUp());
    } finally {
      this.isCatchingUp = false;
    }
  }

  async readOn() {
    while (this.streams && !this.window.reachesEnd) {
      if (!(await this.window.readEnd())) this.quit();
      this.showPlace();
    }
  }

  quit() {
    this.streams = false;
    if (!this.ended) this.say("paused");
  }

  finish() {
    this.quit();
    this.ended = true;
    this.follow(false);
    this.say("ended");
  }

  follow(on = !this.window.follows) {
    if (on) this.holds = false;
    if (this.window.follows === on) return;
    this.window.follows = on;
    this.root.querySelector("[data-log-do=follow]").setAttribute("aria-pressed", String(on));
    if (on) this.attempt(() => this.bottom());
  }

  // Scrolling up lets go of the end, scrolling back to it takes hold again.
  moved() {
    if (!this.ended && !this.window.reading) {
      if (this.window.reachesEnd) this.stream();
      if (!this.holds) this.follow(this.window.reachesEnd && this.window.view.isAtEnd);
    }
    this.showPlace();
  }

  showPlace() {
    const { size } = this.source;
    const { view, reachesEnd } = this.window;
    const top = view.topOffset() ?? 0;
    const place = view.isAtEnd && reachesEnd ? "At the end" : top === 0 ? "At the top" : `${Math.round((100 * top) / size)} % from the top`;
    this.root.querySelector("[data-log-place]").textContent = size ? place : "";
    const none = this.root.querySelector("[data-log-none]");
    none.hidden = size > 0;
    if (this.ended) none.textContent = "The job wrote nothing.";
    this.root.querySelector("[data-log-state]").textContent = `${STATES[this.state] ?? ""} · ${sizeText(size)}`;
  }

  say(state) {
    this.state = state;
    this.showPlace();
  }

  // --- moving

  async top() {
    this.follow(false);
    await this.window.show(0, 0);
    if (this.window.isFarFromEnd) this.quit();
  }

  async bottom() {
    this.holds = false;
    if (this.window.reachesEnd) this.window.view.scrollToEnd();
    else {
      this.quit();
      this.isJumping = true;
      await this.window.show(Infinity).catch(() => {}); // it is read again while it streams
      this.isJumping = false;
    }
    this.stream();
  }

  wrap() {
    const button = this.root.querySelector("[data-log-do=wrap]");
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    this.window.view.wrap(on);
  }

  // --- finding

  async find() {
    const q = this.query.value.trim();
    this.current = null;
    this.search = q ? new Search(this.source, { q }) : null;
    if (q) await this.next();
    else this.found(null);
  }

  async error() {
    if (this.search?.query.kind !== "error") {
      this.query.value = "";
      this.current = null;
      this.search = new Search(this.source, { kind: "error" });
    }
    await this.next();
  }

  async next() {
    if (this.search) await this.go(await this.search.after(this.current ?? (this.window.view.topOffset() ?? 0) - 1));
    await this.count();
  }

  async previous() {
    if (this.search) await this.go(await this.search.before(this.current ?? this.window.view.topOffset() ?? 0));
    await this.count();
  }

  // Once the match is shown: how many there are in all is worth one more question.
  async count() {
    const { search, current } = this;
    if (current === null || !(await search?.countBefore())) return;
    if (search === this.search && current === this.current) this.found(current);
  }

  async go(offset) {
    this.found(offset);
    if (offset === null) return;
    this.holds = true; // the match, though it may stand at the end; whoever scrolls there themselves follows
    this.follow(false);
    this.current = offset;
    await this.window.show(offset);
    this.window.view.mark(offset, this.search?.query.q ?? "");
    if (this.window.isFarFromEnd) this.quit();
  }

  found(offset) {
    const words = this.root.querySelector("[data-log-found]");
    if (!this.search) {
      words.textContent = "";
      this.window.view.mark(null, "");
    } else if (offset === null) {
      words.textContent = "None";
      this.window.view.mark(null, "");
    } else {
      const { count, all } = this.search.known;
      const place = all ? `${this.search.offsets.indexOf(offset) + 1} of ` : "";
      words.textContent = `${place}${count}${all ? "" : "+"}`;
    }
  }
}

/** Listens to the document until `root` is in it no more, so that a log that was left is not held in memory. */
function whileShown(root) {
  const over = new AbortController();
  return (name, heard) =>
    document.addEventListener(name, (event) => (root.isConnected ? heard(event) : over.abort()), { signal: over.signal });
}

function sizeText(size) {
  if (size < 1024) return `${size} B`;
  return size < 1048576 ? `${(size / 1024).toFixed(0)} KiB` : `${(size / 1048576).toFixed(1)} MiB`;
}
