// Rows of a list: j and k move, x picks, shift extends, and the bulk bar says how many are picked.
import { onPage } from "./page.js";

let last = null;

export function prepareRows() {
  onPage(() => document.querySelectorAll("form[data-rows]").forEach(count));
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-rows]");
    if (!form) return;
    if (event.target.matches("[data-pick-all]")) for (const box of boxes(form)) box.checked = event.target.checked;
    count(form);
  });
  document.addEventListener("reset", (event) => {
    if (event.target.matches("form[data-rows]")) setTimeout(() => count(event.target));
  });
  document.addEventListener("click", extend);
}

const boxes = (form) => [...form.querySelectorAll(".row-check")];

function count(form) {
  const all = boxes(form);
  const picked = all.filter((box) => box.checked).length;
  for (const words of document.querySelectorAll("[data-picked]")) words.textContent = `${picked} ${words.dataset.picked}${picked === 1 ? "" : "s"} selected`;
  const head = form.querySelector("[data-pick-all]");
  if (!head) return;
  head.checked = picked > 0 && picked === all.length;
  head.indeterminate = picked > 0 && picked < all.length;
  head.disabled = all.length === 0;
}

function extend(event) {
  if (!event.target.matches?.(".row-check")) return;
  const all = boxes(event.target.form);
  if (event.shiftKey && last?.isConnected) {
    const [from, to] = [all.indexOf(last), all.indexOf(event.target)].sort((a, b) => a - b);
    for (const box of all.slice(from, to + 1)) box.checked = event.target.checked;
    count(event.target.form);
  }
  last = event.target;
}

/** Move the focus `step` rows on from the row that has it. */
export function moveRow(step) {
  const links = [...document.querySelectorAll(".row-link")];
  if (!links.length) return;
  const here = links.indexOf(document.activeElement?.closest(".row")?.querySelector(".row-link"));
  const next = here < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, here + step));
  links[next].focus();
}

/** Pick or unpick the row that has the focus. */
export function pickRow() {
  document.activeElement?.closest(".row")?.querySelector(".row-check")?.click();
}
