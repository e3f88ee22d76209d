// The scope that includes all others is chosen alone: ticking it clears and disables the rest.

export function mount(form) {
  const boxes = [...form.querySelectorAll("input[name='scopes[]']")];
  const exclusive = boxes.find((box) => "exclusive" in box.dataset);
  if (!exclusive) return;
  const apply = () => {
    for (const box of boxes) {
      if (box === exclusive) continue;
      if (exclusive.checked) box.checked = false;
      box.disabled = exclusive.checked;
    }
  };
  exclusive.addEventListener("change", apply);
  apply();
}
