// Menus are <details>: they open by themselves. A click elsewhere, Escape, or another menu closes them. A dialog that was
// sent with a mistake in it opens again, and closed then is as it was. One whose button has gone from the page asks about
// what can't be done any more, so it closes.
import { onPage } from "./page.js";
import { toast } from "./toasts.js";

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
    for (const dialog of document.querySelectorAll(".dialog:popover-open")) if (!isOffered(dialog)) takeBack(dialog);
  });
  document.addEventListener("toggle", settle, true);
}

/** A control inside a menu that opens a dialog has done the menu's work; what was wrong in a closed one is thrown away. */
function settle({ target, newState }) {
  if (!target.matches?.("[popover].dialog")) return;
  closeOthers(null);
  const isGiven = newState === "closed" && target.isConnected && target.querySelector("[aria-invalid='true']");
  if (isGiven) location.assign(location.pathname + location.search);
}

function takeBack(dialog) {
  dialog.hidePopover();
  toast("What was asked is no longer to be decided: it has changed meanwhile", "info");
}

const isOffered = (dialog) =>
  [...document.querySelectorAll(`[popovertarget="${dialog.id}"]`)].some((button) => !dialog.contains(button));

function closeOthers(kept) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) if (menu !== kept) menu.open = false;
}
