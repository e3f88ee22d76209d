// A choice among a list's filters applies at once, as its button does where there is no script.
export function applyChoices() {
  document.addEventListener("change", (event) => {
    if (event.target.matches("form[data-auto] select")) event.target.form.requestSubmit();
  });
}
