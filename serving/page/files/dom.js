// Elements made of values. A value becomes text, an attribute or a property, and never markup.

const SVG = "http://www.w3.org/2000/svg";
const LONGEST = 300;
// As colisten/shown.py has it: what breaks a line, and what obeys instead of showing.
const BREAKS = /[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+/g;
const CONTROLS = /[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

// A value from outside on one line, its controls as escapes, cut where it is endless.
export function plain(value) {
  const text = String(value).slice(0, 4 * LONGEST).replace(BREAKS, " ")
    .replace(CONTROLS, (one) => "\\u" + one.charCodeAt(0).toString(16).padStart(4, "0"));
  return text.length > LONGEST ? text.slice(0, LONGEST - 1) + "…" : text;
}

function fill(node, children) {
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined && child !== false)
      node.append(child instanceof Node ? child : document.createTextNode(plain(child)));
  return node;
}

// An element; `attributes` holds handlers under `onclick` and the like, and values under names.
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (typeof value === "boolean") node.toggleAttribute(key, value);
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  return fill(node, children);
}

export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return fill(node, children);
}

// Text of any script, which turns nothing around it.
export const value = (text, attributes = {}) => el("bdi", attributes, text);
export const by = (id) => document.getElementById(id);
export const show = (node, shown) => { node.hidden = !shown; };
export const replace = (node, ...children) => { node.replaceChildren(); fill(node, children); };
// How a signal or a column is read aloud.
export const words = (name) => plain(name).replaceAll("_", " ");
