// Shows whether the page's event stream is open. The stream itself and what it refreshes are htmx attributes.
// A stream that opens again with 204 is that of somebody who is signed in no more: the page then leads to sign-in, and
// neither calls itself live nor asks again and again.
import { onPage } from "./page.js";

const TEXTS = { open: "Live", lost: "Reconnecting…" };

export function showConnection() {
  document.addEventListener("htmx:sse:after:connection", ({ detail }) => {
    if (detail.connection.status === 204) location.reload();
    else show("open");
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
