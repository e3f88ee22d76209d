// The new-job page: the preview waits until there is something to run, and leaving the form for the YAML tab carries
// its fields along, as the server wrote them.

export function mount(page) {
  const area = page.querySelector("#task_yaml");
  let written = "";
  page.querySelector("#as-yaml").addEventListener("change", () => {
    const task = page.querySelector("#preview pre")?.textContent ?? "";
    if (!task || (area.value.trim() && area.value !== written)) return;
    area.value = written = task;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
  page.addEventListener("htmx:config:request", (event) => {
    const waits = event.target.querySelector("[data-waits]");
    if (waits && !event.target.closest("form").checkValidity()) event.preventDefault();
  });
  for (const form of page.querySelectorAll("form")) form.dispatchEvent(new Event("input"));
}
