// Short messages in the corner, read out by screen readers, gone after a while unless they stay.
import { onPage } from "./page.js";
import { icon } from "./icons.js";

const LIFE_MS = 6000;

export function prepareToasts() {
  document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast")?.remove());
  onPage(() => {
    for (const element of document.querySelectorAll("#toasts > .toast:not([data-timed], [data-stays])")) expire(element);
  });
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.error?.name !== "AbortError") toast("The server could not be reached", "bad");
  });
  document.addEventListener("htmx:before:response", (event) => {
    const { status, headers } = event.detail.ctx.response;
    if (status < 400 || headers.has("X-Request-Id")) return;
    event.preventDefault(); // a proxy answered for the server: that is no part of any page
    toast(`The server could not be reached (${status})`, "bad");
  });
}

/** Show `text`; `kind` is good, info, warn or bad. */
export function toast(text, kind = "good") {
  const element = document.createElement("div");
  element.className = `toast note-${kind}`;
  const dot = document.createElement("span");
  dot.className = "dot";
  const words = document.createElement("span");
  words.textContent = text;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-icon button-quiet button-small";
  button.setAttribute("aria-label", "Dismiss");
  button.dataset.dismiss = "";
  button.append(icon("x"));
  element.append(dot, words, button);
  document.getElementById("toasts")?.append(element);
  expire(element);
}

function expire(element) {
  element.dataset.timed = "";
  setTimeout(() => {
    if (element.matches(":hover, :focus-within")) expire(element);
    else element.remove();
  }, LIFE_MS);
}
