// The command palette: pages, actions, and jobs by name, from the keyboard.
import { icon } from "./icons.js";
import { chooseTheme } from "./themes.js";

const MOST_JOBS = 8;
const FEWEST_LETTERS = 3; // that the server searches by
let chosen = 0;
let asked = 0;
let waiting;

document.addEventListener("click", (event) => {
  if (event.target.id === "palette") event.target.close();
  else activate(event.target.closest(".palette-item"));
});
document.addEventListener("input", (event) => event.target.id === "palette-input" && search(event.target.value));
document.addEventListener("keydown", steer);

export function togglePalette() {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  if (dialog.open) {
    dialog.close();
    return;
  }
  const navigation = document.getElementById("navigation");
  if (navigation?.matches(":popover-open")) navigation.hidePopover();
  const input = document.getElementById("palette-input");
  input.value = "";
  dialog.showModal();
  input.focus();
  search("");
}

const list = () => document.getElementById("palette-list");

function search(text) {
  const words = text.trim().toLowerCase();
  draw(commands().filter((command) => words.split(/\s+/).every((word) => command.words.includes(word))));
  clearTimeout(waiting);
  asked += 1;
  if (words.length >= FEWEST_LETTERS) waiting = setTimeout(findJobs, 120, text.trim(), asked);
}

function commands() {
  const links = document.getElementById("palette-commands").content.querySelectorAll("a");
  return [...links].map((link) => ({
    href: link.getAttribute("href"),
    label: link.textContent,
    icon: link.dataset.icon,
    kind: link.dataset.kind,
    theme: link.dataset.themeChoice,
    words: `${link.textContent} ${link.dataset.words ?? ""}`.toLowerCase(),
  }));
}

async function findJobs(text, number) {
  const response = await fetch(`/api/v1/jobs?limit=${MOST_JOBS}&q=${encodeURIComponent(text)}`).catch(() => null);
  if (!response?.ok) return;
  const { items } = await response.json();
  if (number !== asked) return;
  add(items.map((job) => ({ href: `/jobs/${job.id}`, label: job.name, icon: "layers", kind: `Job, ${job.state}` })));
}

function draw(entries) {
  list().replaceChildren();
  add(entries);
}

function add(entries) {
  const start = list().childElementCount;
  list().append(...entries.map((entry, index) => item(entry, start + index)));
  if (!list().childElementCount) list().append(nothing());
  else list().querySelector(".palette-none")?.remove();
  choose(0);
}

function item(entry, index) {
  const element = document.createElement("div");
  element.className = "palette-item";
  element.id = `palette-item-${index}`;
  element.role = "option";
  element.dataset.href = entry.href;
  if (entry.theme !== undefined) element.dataset.theme = entry.theme;
  const label = document.createElement("span");
  label.className = "clip";
  label.textContent = entry.label;
  const kind = document.createElement("small");
  kind.textContent = entry.kind;
  element.append(icon(entry.icon), label, kind);
  return element;
}

function nothing() {
  const element = document.createElement("div");
  element.className = "palette-none menu-note";
  element.role = "option";
  element.ariaDisabled = "true";
  element.textContent = "Nothing by that name";
  return element;
}

function choose(index) {
  const items = [...list().querySelectorAll(".palette-item")];
  chosen = Math.max(0, Math.min(items.length - 1, index));
  items.forEach((element, at) => element.setAttribute("aria-selected", String(at === chosen)));
  items[chosen]?.scrollIntoView({ block: "nearest" });
  document.getElementById("palette-input").setAttribute("aria-activedescendant", items[chosen]?.id ?? "");
}

function steer(event) {
  if (event.target.id !== "palette-input") return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) choose(chosen + step);
  else if (event.key === "Enter") activate(list().querySelectorAll(".palette-item")[chosen]);
  else return;
  event.preventDefault();
}

function activate(element) {
  if (!element) return;
  document.getElementById("palette").close();
  if (element.dataset.theme !== undefined) chooseTheme(element.dataset.theme);
  else location.href = element.dataset.href;
}
