// What happens when a page, or a part of one, has been put in place.

const callbacks = [];

/** Call `callback(root)` for the page now, and again for each region that is swapped in later. */
export function onPage(callback) {
  callbacks.push(callback);
  callback(document);
}

document.addEventListener("htmx:after:swap", (event) => {
  const target = event.detail.ctx.target;
  const root = target instanceof Element && target.isConnected ? target : document;
  for (const callback of callbacks) callback(root);
  const focused = document.activeElement !== document.body;
  if (root === document.body && !focused) document.getElementById("main")?.focus({ preventScroll: true });
});

// The next person at this browser is to find nothing of what this one typed.
document.addEventListener("submit", (event) => {
  if (event.target.action?.endsWith("/auth/logout")) sessionStorage.clear();
});

// What a search finds is dropped where something else has been typed meanwhile: a newer answer is on its way.
document.addEventListener("htmx:before:swap", (event) => {
  const { sourceElement, request } = event.detail.ctx;
  const field = sourceElement.matches?.("form[role=search]") && sourceElement.elements.namedItem("q");
  const asked = new URL(request.action, location.href).searchParams.get("q") ?? "";
  if (field && field.value !== asked) event.preventDefault();
});

// A filter that is not set stays out of the address.
document.addEventListener("htmx:config:request", (event) => {
  const request = event.detail.ctx.request;
  if (request.method !== "GET" || !(request.body instanceof FormData)) return;
  for (const [name, value] of [...request.body]) if (value === "") request.body.delete(name);
});
