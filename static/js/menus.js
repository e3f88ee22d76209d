// Menus are <details>: they open by themselves. A click elsewhere, Escape, or another menu closes them. A dialog that was
// sent with a mistake in it opens again.
import { onPage } from "./page.js";

export function closeMenus() {
  document.addEventListener("click", (event) => closeOthers(event.target.closest("details[data-menu]")));
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.querySelector("details[data-menu][open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
    event.preventDefault();
  });
  onPage((root) => {
    const wrong = root.querySelector(".dialog[popover] [aria-invalid='true']");
    wrong?.closest(".dialog").showPopover();
    wrong?.focus();
  });
  // what was wrong in one that is closed is thrown away, with what is said of it
  document.addEventListener("toggle", (event) => {
    const { target, newState } = event;
    const given = newState === "closed" && target.isConnected && target.querySelector?.("[aria-invalid='true']");
    if (given) location.assign(location.pathname + location.search);
  }, true);
  // a control inside a menu that opens a dialog has done the menu's work
  document.addEventListener("toggle", (event) => event.target.matches?.("[popover].dialog") && closeOthers(null), true);
}

function closeOthers(kept) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) if (menu !== kept) menu.open = false;
}
