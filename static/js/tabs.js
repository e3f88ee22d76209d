// Tabs that don't fit scroll sideways: the current one is brought into view when it has become that, and only then, so
// that a live page leaves alone where a person has scrolled to. The page itself never moves.
import { onPage } from "./page.js";

const shown = new WeakMap(); // tabs → the address of the one that was brought into view

export function showCurrentTabs() {
  onPage(() => document.querySelectorAll(".tabs").forEach(showCurrent));
}

function showCurrent(tabs) {
  const tab = tabs.querySelector("[aria-current]");
  if (!tab || shown.get(tabs) === tab.href) return;
  shown.set(tabs, tab.href);
  const [outer, inner] = [tabs.getBoundingClientRect(), tab.getBoundingClientRect()];
  if (inner.left >= outer.left && inner.right <= outer.right) return;
  tabs.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
}
