// Buttons that copy their `data-copy`, or the text of the element that `data-copy-from` names.
import { toast } from "./toasts.js";

export function prepareCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const from = button.dataset.copyFrom;
    const source = from && document.querySelector(from);
    await copy(source ? (source.value ?? source.textContent) : button.dataset.copy);
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast(byHand(text) ? "Copied" : "This browser refused to copy; select the text instead", "warn");
  }
}

// Pages over plain http on another host have no clipboard API.
function byHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
