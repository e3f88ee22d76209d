// What has been typed into the new-job page outlives leaving it: in this tab, for this person, until it is submitted or
// they sign out. Of secrets the names are kept alone.

const HAS_SECRETS = /(^|[{,])\s*["']?secrets["']?\s*:/m;

/** Put back what was typed into `page` before, and keep what is typed from now on. Whether anything was put back. */
export function keepDraft(page) {
  const key = `new job ${page.dataset.jobForm} ${location.search}`;
  const forms = [...page.querySelectorAll("form")];
  const tabs = [...page.querySelectorAll("[name=as]")];
  const again = document.querySelector("[data-afresh]");

  const text = (checked, some) => JSON.stringify([tabs.findIndex((tab) => tab[checked]), ...some.map(valuesOf)]);
  const forget = () => sessionStorage.removeItem(key);
  const isRejected = page.matches("[data-rejected]"); // then it has what was typed
  const kept = isRejected ? null : sessionStorage.getItem(key);
  if (kept) for (const form of forms) form.reset(); // the browser may have filled some of it in by itself
  const pristine = isRejected ? null : text("defaultChecked", forms.map(asSent));
  const keep = () => {
    const now = text("checked", forms);
    if (now === pristine) return forget();
    try {
      sessionStorage.setItem(key, now);
    } catch {
      forget(); // it is too large
    }
  };

  if (kept) {
    const [tab, ...values] = JSON.parse(kept);
    if (tabs[tab]) tabs[tab].checked = true;
    forms.forEach((form, at) => fill(form, values[at]));
    again.querySelector("[data-but]").hidden = !values.some((one) => one.secrets_text || "cut" in one);
    again.hidden = false;
    again.querySelector("button").addEventListener("click", () => {
      forget();
      location.assign(location.pathname + location.search); // a reload would fill the fields again by itself
    });
  }

  if (!kept && !isRejected) keep(); // some may have been typed before this began
  page.addEventListener("input", keep);
  page.addEventListener("change", keep);
  page.addEventListener("htmx:after:request", (event) => {
    if (forms.includes(event.target) && event.detail.ctx.response.headers.has("HX-Location")) forget(); // it was taken
  });
  return Boolean(kept);
}

function asSent(form) {
  const copy = form.cloneNode(true);
  copy.reset();
  return copy;
}

function valuesOf(form) {
  const { _organization, secrets_text, task_yaml, ...values } = Object.fromEntries(new FormData(form));
  if (secrets_text) values.secrets_text = secrets_text.replace(/=.*/g, "");
  if (task_yaml === undefined) return values;
  const bare = withoutSecrets(task_yaml);
  return { ...(bare === null ? {} : { task_yaml: bare }), ...(bare === task_yaml ? {} : { cut: true }) };
}

/** The task with null for the values of its secrets; null for one that writes them in a way that is not known here. */
function withoutSecrets(task) {
  let indent = null; // of the names under `secrets:`; empty until the first is seen
  const kept = [];
  const others = [];
  for (const line of task.split("\n")) {
    if (/^secrets\s*:\s*(#.*)?$/.test(line)) indent = "";
    else if (indent === null || /^\S/.test(line)) {
      indent = null;
      others.push(line);
    } else {
      const [, space, name] = line.match(/^(\s+)([\w.-]+)\s*:/) ?? [];
      indent ||= space ?? "";
      if (name && space === indent) kept.push(`${space}${name}: null`);
      continue;
    }
    kept.push(line);
  }
  return HAS_SECRETS.test(others.join("\n")) ? null : kept.join("\n");
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
