// What has been typed into the new-job page outlives leaving it: in this tab, for this person, until it is submitted.
// Secrets are not kept, nor a task that has any.

const NEVER = new Set(["secrets_text", "_organization"]);
const HAS_SECRETS = /^\s*["']?secrets["']?\s*:/m;

/** Put back what was typed into `page` before, and keep what is typed from now on. */
export function keepDraft(page) {
  const key = `new job ${page.dataset.jobForm} ${location.search}`;
  const forms = [...page.querySelectorAll("form")];
  const tabs = [...page.querySelectorAll("[name=as]")];
  const again = document.querySelector("[data-afresh]");

  const text = () => JSON.stringify([tabs.findIndex((tab) => tab.checked), ...forms.map(valuesOf)]);
  const pristine = page.matches("[data-rejected]") ? null : text();
  const forget = () => sessionStorage.removeItem(key);
  const keep = () => {
    const now = text();
    if (now === pristine) return forget();
    try {
      sessionStorage.setItem(key, now);
    } catch {
      forget(); // it is too large
    }
  };

  const kept = pristine && sessionStorage.getItem(key);
  if (kept) {
    const [tab, ...values] = JSON.parse(kept);
    if (tabs[tab]) tabs[tab].checked = true;
    forms.forEach((form, at) => fill(form, values[at]));
    again.hidden = false;
    again.querySelector("button").addEventListener("click", () => {
      forget();
      location.assign(location.href); // a reload would fill the fields again by itself
    });
  } else if (!pristine) keep();

  page.addEventListener("input", keep);
  page.addEventListener("change", keep);
  page.addEventListener("submit", forget);
  page.addEventListener("htmx:error", (event) => forms.includes(event.target) && keep()); // it was not sent
}

function valuesOf(form) {
  const fields = [...new FormData(form)].filter(([name]) => !NEVER.has(name));
  return Object.fromEntries(fields.map(([name, value]) => [name, HAS_SECRETS.test(value) ? "" : value]));
}

function fill(form, values = {}) {
  for (const [name, value] of Object.entries(values)) {
    const field = form.elements.namedItem(name);
    if (!field || field.value === value) continue;
    const before = field.value;
    field.value = value;
    if (field.value !== value) field.value = before; // a choice that there is no longer
    else field.closest("details")?.setAttribute("open", "");
  }
}
