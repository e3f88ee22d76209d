// Keyboard shortcuts. They never act while a person types, and Escape empties and leaves a search field.
import { onPage } from "./page.js";
import { moveRow, pickRow } from "./rows.js";

const MAC = /mac|iphone|ipad/i.test(navigator.platform);

const OPEN = "dialog[open], .dialog:popover-open";

const actions = {
  "/": () => document.querySelector("[data-search]"),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  x: pickRow,
};

export function listenToKeys() {
  onPage((root) => {
    if (MAC) for (const key of root.querySelectorAll("[data-mod-key]")) key.textContent = `⌘ ${key.dataset.modKey}`;
  });
  document.addEventListener("keydown", press);
  document.addEventListener("click", (event) => event.target.closest("[data-open-palette]") && togglePalette());
}

// The palette opens at once, so that no letter is lost; what fills it comes when it is first asked for.
function togglePalette() {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  if (dialog.open) {
    dialog.close();
    return;
  }
  const navigation = document.getElementById("navigation");
  if (navigation?.matches(":popover-open")) navigation.hidePopover();
  const input = document.getElementById("palette-input");
  input.value = "";
  dialog.showModal();
  input.focus();
  import("./palette.js").then((palette) => palette.beginSearch());
}

function press(event) {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    togglePalette();
    return;
  }
  if (event.key === "Escape" && event.target.matches?.("[data-search]")) leave(event);
  if (event.ctrlKey || event.metaKey || event.altKey || types(event.target) || document.querySelector(OPEN)) return;
  if (event.key === "/") {
    const field = actions["/"]();
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  } else if (Object.hasOwn(actions, event.key)) {
    event.preventDefault();
    actions[event.key]();
  } else {
    const own = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (own) own.click();
    else if (event.key === "c" && document.getElementById("palette")) location.assign("/jobs/new");
  }
}

// Browsers empty the field too, but tell nobody of it: the list would stay as narrow as it was.
function leave(event) {
  const field = event.target;
  event.preventDefault();
  if (field.value) {
    field.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  field.blur();
}

function types(element) {
  return element.matches?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
}
