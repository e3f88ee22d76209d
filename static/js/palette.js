// The command palette, from the keyboard: pages and actions, which the page lists, node pools by name, and jobs by name,
// text or id, which the server finds.
import { icon } from "./icons.js";
import { chooseTheme } from "./themes.js";

const MOST_JOBS = 8;
const FEWEST_LETTERS = 3; // that the server searches jobs by
let chosen = 0;
let asked = 0;
let waiting;
let underWay = new AbortController();
let pools = []; // as they were when the palette was opened

document.addEventListener("click", (event) => {
  if (event.target.id === "palette") event.target.close();
  else activate(event.target.closest(".palette-item"));
});
document.addEventListener("input", (event) => event.target.id === "palette-input" && search(event.target.value));
document.addEventListener("keydown", steer);

/** Begin with what has been typed since it was opened. */
export function beginSearch() {
  pools = items("node-pools?limit=200");
  search(document.getElementById("palette-input").value);
}

const list = () => document.getElementById("palette-list");

function search(text) {
  const sought = text.trim();
  const words = sought.toLowerCase().split(/\s+/);
  const fits = (entry) => words.every((word) => entry.words.includes(word));
  const entries = commands().filter(fits);
  // what is called that goes before what is only like that
  const isCalled = (entry) => entry.label.toLowerCase().startsWith(words[0]);
  draw([...entries.filter(isCalled), ...entries.filter((entry) => !isCalled(entry))], sought ? "Searching…" : "");
  forget();
  if (sought) waiting = setTimeout(searchServer, 120, sought, fits, asked);
}

/** Let go of what the server was asked, or was about to be. */
function forget() {
  clearTimeout(waiting);
  asked += 1;
  underWay.abort();
  underWay = new AbortController();
}

function commands() {
  const links = document.getElementById("palette-commands").content.querySelectorAll("a");
  return [...links].map((link) => ({
    href: link.getAttribute("href"),
    label: link.textContent,
    icon: link.dataset.icon,
    kind: link.dataset.kind,
    theme: link.dataset.themeChoice,
    press: link.dataset.press,
    words: `${link.textContent} ${link.dataset.words ?? ""} ${link.dataset.kind}`.toLowerCase(),
  }));
}

async function searchServer(text, fits, number) {
  const isShort = text.length < FEWEST_LETTERS;
  const jobs = isShort ? [] : items(`jobs?limit=${MOST_JOBS}&q=${encodeURIComponent(text)}`, underWay.signal);
  const found = [...(await pools).map(poolEntry).filter(fits), ...(await jobs).map(jobEntry)];
  if (number !== asked) return;
  add(found);
  if (!list().querySelector(".palette-item")) say(isShort ? "Nothing found; jobs are found by three letters or more" : "Nothing found");
}

const poolEntry = ({ id, name, state }) => ({
  href: `/node-pools/${id}`,
  label: name,
  icon: "server",
  kind: `Node pool, ${state}`,
  words: `${name} node pool`.toLowerCase(),
});

const jobEntry = ({ id, name, state }) => ({ href: `/jobs/${id}`, label: name, icon: "layers", kind: `Job, ${state}` });

async function items(path, signal) {
  const response = await fetch(`/api/v1/${path}`, { signal }).catch(() => null);
  return response?.ok ? ((await response.json().catch(() => null))?.items ?? []) : [];
}

/** `none` is said where there are no entries yet. */
function draw(entries, none) {
  list().replaceChildren();
  chosen = 0;
  add(entries);
  if (!entries.length) say(none);
}

function add(entries) {
  if (entries.length) list().querySelector(".palette-none")?.remove();
  const start = list().querySelectorAll(".palette-item").length;
  list().append(...entries.map((entry, index) => item(entry, start + index)));
  choose(chosen);
}

function item(entry, index) {
  const element = document.createElement("div");
  element.className = "palette-item";
  element.id = `palette-item-${index}`;
  element.role = "option";
  element.dataset.href = entry.href;
  if (entry.theme !== undefined) element.dataset.theme = entry.theme;
  if (entry.press) element.dataset.press = entry.press;
  const label = document.createElement("span");
  label.className = "clip";
  label.textContent = entry.label;
  const kind = document.createElement("small");
  kind.textContent = entry.kind;
  element.append(icon(entry.icon), label, kind);
  return element;
}

function say(text) {
  const element = document.createElement("div");
  element.className = "palette-none menu-note";
  element.role = "option";
  element.ariaDisabled = "true";
  element.textContent = text;
  list().replaceChildren(element);
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
  forget();
  document.getElementById("palette").close();
  if (element.dataset.theme !== undefined) chooseTheme(element.dataset.theme);
  else if (element.dataset.press) document.getElementById(element.dataset.press).click();
  else location.href = element.dataset.href;
}
