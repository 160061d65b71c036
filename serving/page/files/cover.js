// A cover for a title: the same picture for the same words, drawn here and loaded from nowhere.
import { el, plain, svg } from "./dom.js";

// Ground, two or three colours of the picture, and the ink of the title on the ground.
export const PALETTES = [
  ["#f3ead8", ["#d9742b", "#2d5d62", "#e9c46a"], "#2b2620"],
  ["#1f3a4d", ["#f0b95b", "#d95d39", "#6fa3b5"], "#f7f1e3"],
  ["#e6ecdf", ["#3f6b4f", "#9dbf7a", "#c96f4a"], "#1f2f25"],
  ["#3b2a45", ["#e58c8a", "#c9a3d6", "#f2cf8f"], "#faf2f4"],
  ["#f7e3dc", ["#b5484a", "#e39b86", "#4a3f55"], "#38222a"],
  ["#14302c", ["#6fc29b", "#e2d38a", "#2f6d63"], "#eef6ee"],
  ["#dfe8f1", ["#2f5f9e", "#88add4", "#e0a458"], "#1c2a3d"],
  ["#46281f", ["#e6a15c", "#b6543a", "#f1d9b0"], "#fbf1e4"],
  ["#efe6f2", ["#6d4a8c", "#b89ac9", "#e2a85f"], "#2c2036"],
  ["#22262e", ["#8fa3bf", "#e07a5f", "#f2cc8f"], "#f2f4f7"],
  ["#f6efc9", ["#b88a1b", "#5d6d3a", "#d8593b"], "#332c14"],
  ["#0f3d5c", ["#59b0c9", "#f2e2b8", "#ef8354"], "#f3f8fb"],
];

// FNV-1a over the text, then mulberry32: enough to tell covers apart, and the same everywhere.
export function numbers(text) {
  let state = 0x811c9dc5;
  for (const sign of text) state = Math.imul(state ^ sign.codePointAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const round = (number) => Math.round(number * 10) / 10;

// Each draws into the upper 62 of 100 by 100, with colours a, b and c.
const DRAWINGS = [
  function sun(random, [a, b, c]) {
    const x = round(25 + 50 * random()), y = round(22 + 12 * random());
    return [svg("circle", { cx: x, cy: y, r: round(13 + 6 * random()), fill: a }),
      ...[0, 1, 2, 3].map((row) => svg("rect", { x: 0, y: 42 + 5.4 * row, width: 100, height: 3.4 - 0.5 * row, fill: row % 2 ? c : b }))];
  },
  function hills(random, colours) {
    return [0, 1, 2].map((row) => {
      const top = 16 + 14 * row, lift = () => round(top - 8 + 16 * random());
      return svg("path", { fill: colours[row],
        d: `M0 62V${lift()}C20 ${lift()} 30 ${lift()} 50 ${lift()}S82 ${lift()} 100 ${lift()}V62Z` });
    });
  },
  function quarters(random, colours) {
    const turns = ["M0 0H20A20 20 0 0 1 0 20Z", "M20 0V20A20 20 0 0 1 0 0Z", "M20 20H0A20 20 0 0 1 20 0Z", "M0 20V0A20 20 0 0 1 20 20Z"];
    const cells = [];
    for (let row = 0; row < 3; row++)
      for (let column = 0; column < 5; column++)
        if (random() < 0.86)
          cells.push(svg("path", { d: turns[Math.floor(4 * random())], fill: colours[Math.floor(3 * random())],
            transform: `translate(${20 * column} ${1 + 20 * row})` }));
    return cells;
  },
  function rings(random, [a, b, c]) {
    const x = round(20 + 60 * random()), y = round(14 + 30 * random());
    return [50, 41, 32, 23, 14, 5].map((r, at) => svg("circle", { cx: x, cy: y, r, fill: "none", "stroke-width": 5.2, stroke: [a, b, c][at % 3] }));
  },
  function bars(random, colours) {
    return Array.from({ length: 13 }, (_, at) => {
      const height = round(6 + 44 * Math.abs(Math.sin(at * (0.4 + 0.5 * random()) + 3 * random())));
      return svg("rect", { x: 6 + 6.9 * at, y: round(32 - height / 2), width: 4.1, height, rx: 2, fill: colours[at % 5 === 2 ? 1 : at % 7 === 5 ? 2 : 0] });
    });
  },
  function petals(random, [a, b, c]) {
    const x = round(32 + 36 * random()), count = 6 + Math.floor(5 * random());
    return [...Array.from({ length: count }, (_, at) => svg("ellipse", { cx: x, cy: 17, rx: 6.5, ry: 14, fill: at % 2 ? a : b, "fill-opacity": 0.88,
      transform: `rotate(${round((360 / count) * at)} ${x} 31)` })), svg("circle", { cx: x, cy: 31, r: 5.5, fill: c })];
  },
  function slants(random, colours) {
    let left = -40;
    const stripes = [];
    while (left < 110) {
      const width = round(4 + 11 * random());
      stripes.push(svg("path", { d: `M${left} 62L${left + 30} 0H${left + 30 + width}L${left + width} 62Z`, fill: colours[stripes.length % 3] }));
      left = round(left + width + 4 + 6 * random());
    }
    return stripes;
  },
  function night(random, [a, b, c]) {
    const x = round(30 + 40 * random());
    const stars = Array.from({ length: 16 }, () => svg("circle", { cx: round(4 + 92 * random()), cy: round(3 + 42 * random()), r: round(0.6 + 1.1 * random()), fill: c }));
    return [...stars, svg("path", { fill: a, d: `M${x} 10A16 16 0 1 0 ${x + 12} 36A13 13 0 0 1 ${x} 10Z` }),
      svg("path", { fill: b, d: "M0 62V50L14 38L26 48L44 30L62 50L76 42L100 56V62Z" })];
  },
];

// Titles shrink with their length, and with the longest word, which is not to be broken.
function size(text) {
  const longest = Math.max(...text.split(/[\s-]/).map((word) => word.length));
  return text.length > 40 || longest > 14 ? "long" : text.length > 22 || longest > 11 ? "middle" : "short";
}

// A cover as an element; what it shows is said beside it, so it is hidden from who cannot see it.
export function cover(title) {
  const text = plain(title ?? ""), random = numbers(text);
  const [ground, colours, ink] = PALETTES[Math.floor(PALETTES.length * random())];
  const drawing = DRAWINGS[Math.floor(DRAWINGS.length * random())];
  const turned = Math.floor(3 * random());
  const three = colours.map((_, at) => colours[(at + turned) % 3]);
  const clip = svg("svg", { viewBox: "0 0 100 62", preserveAspectRatio: "xMidYMid slice" }, drawing(random, three));
  const name = el("span", { class: "cover-title", "data-length": size(text) }, text);
  const node = el("span", { class: "cover", "aria-hidden": "true" }, clip, name);
  node.style.setProperty("--ground", ground);
  node.style.setProperty("--ink-on", ink);
  return node;
}
