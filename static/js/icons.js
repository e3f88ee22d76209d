// Icons of the sprite, for what scripts draw.

const SVG = "http://www.w3.org/2000/svg";

// the address that the page itself uses, so that the sprite comes once
const sprite = () => document.querySelector(".icon > use").getAttribute("href").split("#")[0];

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${sprite()}#${name}`);
  svg.append(use);
  return svg;
}
