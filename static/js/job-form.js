// The new-job page: leaving the form for the YAML tab carries the form's fields along, as the server wrote them.

export function mount(page) {
  const area = page.querySelector("#task_yaml");
  let written = "";
  page.querySelector("#as-yaml").addEventListener("change", () => {
    const task = page.querySelector("#preview pre")?.textContent ?? "";
    if (!task || (area.value.trim() && area.value !== written)) return;
    area.value = written = task;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
