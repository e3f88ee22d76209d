// Shows whether the page's event stream is open. The stream itself and what it refreshes are htmx attributes.
// A stream that opens again with 204 is that of somebody who is signed in no more: the page then leads to sign-in, and
// neither calls itself live nor asks again and again. A page that is being left is not drawn back by that.
// A stream that was open is opened again by htmx itself; one that could not be opened at first, here.
import { onPage } from "./page.js";

const STREAM = "[hx-sse\\:connect]";
const TEXTS = { open: "Live", lost: "Reconnecting…" };
const LEAVING = 10_000; // milliseconds that going elsewhere may take; a download only looks like it
const SOONEST = 3000; // milliseconds to the next try, twice as many each time
const LATEST = 60_000;
let left = -LEAVING;
let pause = SOONEST;

/** Whether the page's stream is open. */
export const isLive = () => document.querySelector(STREAM)?._htmx?.sse?.status === 200;

export function showConnection() {
  document.addEventListener("htmx:sse:after:connection", ({ detail }) => {
    pause = SOONEST;
    if (detail.connection.status !== 204) show("open");
    else if (performance.now() - left >= LEAVING) location.reload();
  });
  addEventListener("beforeunload", () => {
    left = performance.now();
  });
  document.addEventListener("htmx:sse:error", () => show("lost"));
  document.addEventListener("htmx:sse:close", () => show("lost"));
  onPage(() => {
    // the stream may have been opened before this listened
    if (isLive()) show("open");
  });
  document.addEventListener("htmx:finally:request", ({ detail }) => {
    const element = detail.ctx.sourceElement;
    if (!element.matches?.(STREAM) || element._htmx?.sse) return;
    show("lost");
    setTimeout(open, pause, element);
    pause = Math.min(2 * pause, LATEST);
  });
}

function open(element) {
  if (!element.isConnected) return;
  const again = element.cloneNode();
  element.replaceWith(again);
  htmx.process(again);
}

function show(state) {
  const sign = document.getElementById("live-state");
  if (!sign) return;
  sign.dataset.state = state;
  sign.querySelector("[data-live-text]").textContent = TEXTS[state];
}
