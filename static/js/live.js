// Shows whether the page's event stream is open. The stream itself and what it refreshes are htmx attributes.
import { onPage } from "./page.js";

const TEXTS = { open: "Live", lost: "Reconnecting…" };

export function showConnection() {
  document.addEventListener("htmx:sse:after:connection", () => show("open"));
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
