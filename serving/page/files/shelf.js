// The shelf: books in the order of their rank, and what changed since the one before.
import { cover } from "./cover.js";
import { by, el, replace, value } from "./dom.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");

// What became of each book since `before` (ids in order; null for no comparison).
export function changes(items, before) {
  if (before === null) return new Map();
  const was = new Map(before.map((id, at) => [id, at + 1]));
  return new Map(items.map(({ item_id, rank }) => {
    const old = was.get(item_id);
    return [item_id, old === undefined ? { kind: "new", text: "new" }
      : old > rank ? { kind: "up", text: `up ${old - rank}` }
      : old < rank ? { kind: "down", text: `down ${rank - old}` } : null];
  }).filter(([, change]) => change));
}

// The same in a sentence, for those who hear it.
export function told(items, before) {
  const kinds = [...changes(items, before).values()].map((one) => one.kind);
  const fresh = kinds.filter((kind) => kind === "new").length, moved = kinds.length - fresh;
  if (!kinds.length) return "The shelf is as it was.";
  const parts = [fresh && `${fresh} ${fresh === 1 ? "title is" : "titles are"} new`, moved && `${moved} moved`];
  return `${parts.filter(Boolean).join(", ")}.`;
}

function chance(score) {
  const percent = 100 * score;
  const digits = percent < 0.1 ? 3 : percent < 1 ? 2 : percent < 10 ? 1 : 0;
  return percent < 0.001 ? "chance < 0.001 %" : `chance ${percent.toFixed(digits)} %`;
}

// How much a title is meant for them: its chance of a start, where the release has learned one.
function strength(item, best) {
  const of = strengthOf(item);
  return of !== null && el("span", { class: "score" },
    el("meter", { min: 0, max: 1, value: Math.max(0, of / best), "aria-hidden": "true" }),
    typeof item.score === "number" ? chance(item.score) : `score ${of.toFixed(3)}`);
}

const strengthOf = ({ score, inner_product }) => typeof score === "number" ? score : typeof inner_product === "number" ? inner_product : null;

function label(item, change, best) {
  return el("span", { class: "label" },
    el("span", { class: "top" }, el("b", { class: "rank" }, item.rank),
      change && el("span", { class: `change ${change.kind}` }, change.text)),
    value(item.title ?? item.item_id, { class: "name" }),
    item.why && value(item.why, { class: "reason" }),
    strength(item, best));
}

// Draw; `choose` is called with the item that is asked about.
export function drawShelf(items, before, choose) {
  const list = by("shelf"), places = new Map();
  for (const book of list.children) places.set(book.dataset.id, book.getBoundingClientRect());
  const changed = changes(items, before), best = Math.max(1e-9, ...items.map((one) => strengthOf(one) ?? 0));
  replace(list, items.map((item) => el("li", { "data-id": item.item_id },
    el("button", { type: "button", class: "book", "aria-pressed": "false", onclick: () => choose(item, true) },
      cover(item.title ?? item.item_id), label(item, changed.get(item.item_id), best)))));
  if (before !== null && !still.matches) move(list, places);
}

// Books slide from where they stood; one that was not there fades in.
function move(list, places) {
  for (const book of list.children) {
    const from = places.get(book.dataset.id), to = book.getBoundingClientRect();
    const frames = from ? [{ transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)` }, { transform: "none" }]
      : [{ opacity: 0, transform: "translateY(12px)" }, { opacity: 1, transform: "none" }];
    book.animate(frames, { duration: 420, easing: "cubic-bezier(.2,.7,.2,1)" });
  }
}

export function markChosen(id) {
  for (const book of by("shelf").children)
    book.firstChild.setAttribute("aria-pressed", String(book.dataset.id === id));
}
