// Shows whether the page's event stream is open. The stream itself and what it refreshes are htmx attributes.
// A stream that opens again with 204 is that of somebody who is signed in no more: the page then leads to sign-in, and
// neither calls itself live nor asks again and again. A page that is being left is not drawn back by that.
// A stream that was open is opened again by htmx itself; one that could not be opened at first, or should be while
// nobody sees the page, here.
import { onPage } from "./page.js";

const STREAM = "[hx-sse\\:connect]";
const TEXTS = { open: "Live", lost: "Reconnecting…" };
const LEAVING = 10_000; // milliseconds that going elsewhere may take; a download only looks like it
const SOONEST = 3000; // milliseconds to the next try, twice as many each time
const LATEST = 60_000;
const opened = new WeakSet();
let left = -LEAVING;
let pause = SOONEST;

/** Whether the page's stream is open. Each change of it is told by the event `live` of the document. */
export const isLive = () => opened.has(document.querySelector(STREAM));

export function showConnection() {
  const early = document.querySelector(STREAM); // it may have been opened before this listened
  if (early?._htmx?.sse?.status === 200) opened.add(early);
  listen("htmx:sse:after:connection", (stream, { connection }) => {
    pause = SOONEST;
    if (connection.status !== 204) turn(stream, true);
    else if (performance.now() - left >= LEAVING) location.reload();
  });
  listen("htmx:sse:error", (stream) => turn(stream, false));
  listen("htmx:sse:close", (stream, { reason }) => reason === "message" || turn(stream, false)); // else all was told
  addEventListener("beforeunload", () => {
    left = performance.now();
  });
  document.addEventListener("htmx:before:request", (event) => {
    const stream = event.detail.ctx.sourceElement;
    if (!document.hidden || !stream.matches?.(STREAM)) return;
    event.preventDefault();
    whenSeen(() => open(stream));
  });
  document.addEventListener("htmx:finally:request", ({ detail }) => {
    const stream = detail.ctx.sourceElement;
    if (!stream.matches?.(STREAM) || !stream.isConnected || stream._htmx?.sse || document.hidden) return;
    turn(stream, false);
    setTimeout(open, pause, stream);
    pause = Math.min(2 * pause, LATEST);
  });
  onPage(() => isLive() && show("open"));
}

/** Events of the page's own stream; those of one that was left, htmx sends to the document. */
function listen(name, heard) {
  document.addEventListener(name, ({ target, detail }) => {
    if (target.matches?.(STREAM)) heard(target, detail);
  });
}

function open(stream) {
  if (!stream.isConnected) return;
  const again = stream.cloneNode();
  stream.replaceWith(again);
  htmx.process(again);
}

function whenSeen(action) {
  const seen = () => {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", seen);
    action();
  };
  document.addEventListener("visibilitychange", seen);
}

function turn(stream, is) {
  if (is) opened.add(stream);
  else opened.delete(stream);
  show(is ? "open" : "lost");
  document.dispatchEvent(new CustomEvent("live"));
}

function show(state) {
  const sign = document.getElementById("live-state");
  if (!sign) return;
  sign.dataset.state = state;
  sign.querySelector("[data-live-text]").textContent = TEXTS[state];
}
