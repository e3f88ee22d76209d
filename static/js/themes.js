// The choice between light, dark and the system's theme, kept in this browser.
import { onPage } from "./page.js";

export function prepareThemes() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-theme-choice]");
    if (button) chooseTheme(button.dataset.themeChoice);
  });
  onPage(showChoice);
}

/** `light`, `dark`, or "" for the system's. */
export function chooseTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  try {
    if (theme) localStorage.setItem("theme", theme);
    else localStorage.removeItem("theme");
  } catch {
    // storage may be forbidden; the choice then lasts as long as the page
  }
  showChoice();
}

function showChoice() {
  const chosen = document.documentElement.dataset.theme ?? "";
  for (const button of document.querySelectorAll("button[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
  }
}
