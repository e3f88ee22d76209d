// The new-job page: the preview waits until there is something to run, and each tab begins with what the other says, as
// the server wrote it.
import { keepDraft } from "./draft.js";

export function mount(page) {
  const isTyped = keepDraft(page) || page.matches("[data-rejected]"); // else both tabs say the same, or nothing
  const form = page.querySelector("#job-form");
  const task = page.querySelector("#task-form");
  const fields = page.querySelector("#job-fields");
  const area = page.querySelector("#task_yaml");
  const secrets = () => page.querySelector("#secrets_text");
  const inYaml = page.querySelector("#as-yaml").checked;
  let newest = null; // where the other tab has yet to learn of a change
  if (!area.value.trim()) newest = form;
  else if (isTyped && inYaml) newest = task;
  let typed = "";

  page.addEventListener("input", (event) => (newest = event.target.closest("form") ?? newest));
  page.querySelector("#as-yaml").addEventListener("change", () => {
    const text = page.querySelector("#preview pre")?.textContent;
    if (newest !== form || !text || fields.querySelector("[data-apart]")) return;
    area.value = text;
    tell(task);
  });
  page.querySelector("#as-form").addEventListener("change", () => {
    if (newest === task && area.value.trim()) fields.dispatchEvent(new Event("fill"));
  });
  page.addEventListener("htmx:config:request", (event) => {
    if (event.target === fields) {
      const body = event.detail.ctx.request.body;
      typed = secrets().value;
      fields.inert = true; // what would be typed meanwhile is replaced
      body.delete("secrets_text"); // they go nowhere but into a job
      body.set("yaml", area.value);
    }
    const waits = event.target.querySelector("[data-waits]");
    if (waits && !event.target.closest("form").checkValidity()) event.preventDefault();
  });
  page.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx.target !== fields) return;
    if (event.detail.ctx.response.status >= 400) return void (secrets().value = typed);
    secrets().value = secrets().value.split("\n").map(known).join("\n");
    tell(form);
  });

  page.addEventListener("htmx:finally:request", (event) => {
    if (event.target === fields) fields.inert = false;
  });

  const known = (name) => typed.split("\n").find((line) => line.startsWith(`${name}=`)) ?? name;
  const tell = (changed) => {
    changed.dispatchEvent(new Event("input", { bubbles: true }));
    newest = null;
  };
  for (const one of [form, task]) one.dispatchEvent(new Event("input"));
}
