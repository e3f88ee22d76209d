// Shows whether the page's event stream is open. The stream itself and what it refreshes are htmx attributes.
// A stream that opens again with 204 is that of somebody who is signed in no more: the page then leads to sign-in, and
// neither calls itself live nor asks again and again. A page that is being left is not drawn back by that.
import { onPage } from "./page.js";

const TEXTS = { open: "Live", lost: "Reconnecting…" };
const LEAVING = 10_000; // milliseconds that going elsewhere may take; a download only looks like it
let left = -LEAVING;

export function showConnection() {
  document.addEventListener("htmx:sse:after:connection", ({ detail }) => {
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
    const stream = document.querySelector("[hx-sse\\:connect]")?._htmx?.sse;
    if (stream?.status === 200) show("open");
  });
}

function show(state) {
  const sign = document.getElementById("live-state");
  if (!sign) return;
  sign.dataset.state = state;
  sign.querySelector("[data-live-text]").textContent = TEXTS[state];
}
