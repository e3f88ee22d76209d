// Shows whether the page's event stream is open. The stream itself and what it refreshes are htmx attributes.

const TEXTS = { open: "Live", lost: "Reconnecting…" };

export function showConnection() {
  document.addEventListener("htmx:sse:after:connection", () => show("open"));
  document.addEventListener("htmx:sse:error", () => show("lost"));
  document.addEventListener("htmx:sse:close", () => show("lost"));
}

function show(state) {
  const sign = document.getElementById("live-state");
  if (!sign) return;
  sign.dataset.state = state;
  sign.querySelector("[data-live-text]").textContent = TEXTS[state];
}
