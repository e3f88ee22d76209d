// Keeps relative times true while a page stays open. Mirrors the server's `ago` and `duration`.
const STEPS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];
const SPANS = [
  [86400, "d", 3600, "h"],
  [3600, "h", 60, "m"],
  [60, "m", 1, "s"],
];

export function keepTimes() {
  setInterval(() => !document.hidden && refresh(), 1000);
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
}

function refresh() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-ago]")) write(time, ago((now - Date.parse(time.dateTime)) / 1000));
  for (const time of document.querySelectorAll("time[data-due]")) {
    const past = (now - Date.parse(time.dateTime)) / 1000;
    write(time, past > 0 ? "soon" : ago(past));
  }
  for (const time of document.querySelectorAll("time[data-since]")) {
    write(time, duration(Math.max(0, (now - Date.parse(time.dateTime)) / 1000)));
  }
}

function write(time, text) {
  if (text && time.textContent !== text) time.textContent = text;
}

function ago(seconds) {
  const size = Math.abs(seconds);
  if (size >= 30 * 86400) return "";
  if (size < 5) return "just now";
  const [unit, name] = STEPS.find(([step]) => size >= step) ?? [1, "s"];
  return seconds > 0 ? `${Math.floor(size / unit)} ${name} ago` : `in ${Math.round(size / unit)} ${name}`;
}

export function duration(seconds) {
  const whole = Math.floor(seconds);
  const span = SPANS.find(([unit]) => whole >= unit);
  if (!span) return `${whole}s`;
  const [unit, name, part, partName] = span;
  return `${Math.floor(whole / unit)}${name} ${String(Math.floor((whole % unit) / part)).padStart(2, "0")}${partName}`;
}
