// Starts the console's behaviour. Everything works without it, except what is live; nothing here draws a page.
import { prepareCopying } from "./copy.js";
import { listenToKeys } from "./keys.js";
import { showConnection } from "./live.js";
import { closeMenus } from "./menus.js";
import { onPage } from "./page.js";
import { prepareRows } from "./rows.js";
import { showCurrentTabs } from "./tabs.js";
import { prepareThemes } from "./themes.js";
import { keepTimes } from "./times.js";
import { prepareToasts } from "./toasts.js";

prepareCopying();
prepareThemes();
prepareRows();
showCurrentTabs();
prepareToasts();
listenToKeys();
showConnection();
closeMenus();
keepTimes();

const rooms = {
  "[data-log]": () => import("./log/viewer.js"),
  "[data-job-form]": () => import("./job-form.js"),
  "[data-scopes]": () => import("./scopes.js"),
};

onPage((root) => {
  for (const [selector, load] of Object.entries(rooms)) {
    for (const element of root.querySelectorAll(selector)) {
      load().then((module) => module.mount(element));
    }
  }
});
