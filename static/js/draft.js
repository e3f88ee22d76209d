// What has been typed into the new-job page outlives leaving it: in this tab, for this person, until it is submitted or
// they sign out. Secrets are not kept, nor a text that may have some.

const NEVER = new Set(["secrets_text", "_organization"]);
const HAS_SECRETS = /secrets["']?\s*:/;

/** Put back what was typed into `page` before, and keep what is typed from now on. Whether anything was put back. */
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
      location.assign(location.pathname + location.search); // a reload would fill the fields again by itself
    });
  }

  page.addEventListener("input", keep);
  page.addEventListener("change", keep);
  page.addEventListener("htmx:after:request", (event) => {
    if (forms.includes(event.target) && event.detail.ctx.response.headers.has("HX-Location")) forget(); // it was taken
  });
  return Boolean(kept);
}

function valuesOf(form) {
  const fields = [...new FormData(form)];
  return Object.fromEntries(fields.filter(([name, value]) => !NEVER.has(name) && !HAS_SECRETS.test(value)));
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
