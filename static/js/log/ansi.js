// ECMA-48 "select graphic rendition" sequences as CSS classes; every other control sequence is left out.
// Sixteen, 256 and true colours become the nearest of eight that can be read in both themes.

const SEQUENCE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f]/g;
const FLAGS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] };
const CUBE = [0, 95, 135, 175, 215, 255];

export const PLAIN = Object.freeze({ fg: null, bg: null, flags: "" });

/** The parts of a line, as [text, classes] pairs, and the style in which the next line begins. */
export function parse(text, style = PLAIN) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(SEQUENCE)) {
    if (match.index > at) parts.push([text.slice(at, match.index), classes(style)]);
    at = match.index + match[0].length;
    if (match[2] === "m") style = render(style, match[1]);
  }
  if (at < text.length) parts.push([text.slice(at), classes(style)]);
  return { parts, style };
}

/** The style after the text alone. */
export function styleAfter(text, style) {
  for (const match of text.matchAll(SEQUENCE)) if (match[2] === "m") style = render(style, match[1]);
  return style;
}

function classes({ fg, bg, flags }) {
  const names = flags ? flags.split(" ").map((flag) => `sgr-${flag}`) : [];
  if (fg !== null) names.push(`fg-${fg}`);
  if (bg !== null) names.push(`bg-${bg}`);
  return names.join(" ");
}

function render(style, parameters) {
  let { fg, bg } = style;
  const flags = new Set(style.flags ? style.flags.split(" ") : []);
  const codes = parameters.split(/[;:]/).map(Number);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    if (code === 0) {
      fg = bg = null;
      flags.clear();
    } else if (FLAGS[code]) flags.add(FLAGS[code]);
    else if (OFF[code]) for (const flag of OFF[code]) flags.delete(flag);
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(i + 1));
      if (code === 38) fg = colour;
      else bg = colour;
      i += used;
    } else if (code === 39) fg = null;
    else if (code === 49) bg = null;
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) fg = code % 10;
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) bg = code % 10;
  }
  return { fg, bg, flags: [...flags].join(" ") };
}

function extended([kind, ...values]) {
  if (kind === 5) return [indexed(values[0] ?? 7), 2];
  if (kind === 2) return [nearest(values[0] ?? 0, values[1] ?? 0, values[2] ?? 0), 4];
  return [null, 1];
}

function indexed(index) {
  if (index < 16) return index % 8;
  if (index >= 232) return index < 244 ? 0 : 7;
  const cell = index - 16;
  return nearest(CUBE[Math.floor(cell / 36)], CUBE[Math.floor(cell / 6) % 6], CUBE[cell % 6]);
}

function nearest(red, green, blue) {
  const most = Math.max(red, green, blue);
  const span = most - Math.min(red, green, blue);
  if (span < 40) return most < 128 ? 0 : 7;
  const level = most - span / 2;
  return (red > level ? 1 : 0) + (green > level ? 2 : 0) + (blue > level ? 4 : 0);
}
