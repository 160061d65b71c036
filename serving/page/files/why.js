// Why a title: the way from the user to it, what is nearest, and what each part of the score adds.
import { cover } from "./cover.js";
import { el, value, words } from "./dom.js";

const PARTS = { __proto__: null, taste: "taste", popularity: "popularity", similarity: "similar titles" };

const stop = (picture, name, note) => el("li", { class: "stop" }, picture,
  el("span", {}, value(name, { class: "name" }), note && el("small", {}, note)));
const step = (text) => el("li", { class: "step" }, el("span", {}, text));
const you = () => stop(el("span", { class: "person", "aria-hidden": "true" }), "This listener");
const book = (title, note) => stop(cover(title), title, note);

// The way as `explanation.path` has it; else what the reason in words says. `said` holds the
// service's phrases: by signal how a reason begins, and what people do with titles.
function way(item, said) {
  const here = item.title ?? item.item_id, path = item.explanation?.path;
  if (path) {
    const [first, ...between] = path.slice(0, -1), heard = said.heard;
    const did = Object.hasOwn(said.reasons, first.signal) ? said.reasons[first.signal] : words(first.signal);
    return el("ol", { class: "way" }, you(), step(did.replace(/^you /, "")),
      book(first.title ?? first.item_id, first.item_type),
      between.map((one) => [step(`often ${heard} by those who ${heard}`), book(one.title ?? one.item_id, one.item_type)]),
      step(between.length ? `who also ${heard}` : `often ${heard} by those who also ${heard}`), book(here, "this title"));
  }
  const phrase = Object.values(said.reasons).find((one) => item.why?.startsWith(`because ${one} `));
  if (!phrase)
    return el("p", {}, item.why ? value(`${item.why[0].toUpperCase()}${item.why.slice(1)}.`) : "No one thing in the history leads here: it is the whole of it.");
  return el("ol", { class: "way" }, you(), step(phrase.replace(/^you /, "")), book(item.why.slice(`because ${phrase} `.length)),
    step("close in subject and listeners"), book(here, "this title"));
}

function shares({ explanation, inner_product }) {
  const entries = Object.entries(explanation?.parts ?? {});
  if (!entries.length) return null;
  const most = Math.max(...entries.map(([, part]) => Math.abs(part)), 1e-9);
  return el("div", {}, el("h3", {}, typeof inner_product === "number" ? `What adds up to ${inner_product.toFixed(3)}` : "What adds to the score"), el("ul", { class: "shares" }, entries.map(([name, part]) => {
    const bar = el("i", { class: part < 0 ? "less" : "", "aria-hidden": "true" });
    bar.style.setProperty("width", `${(100 * Math.abs(part)) / most}%`);
    return el("li", {}, el("span", {}, PARTS[name] ?? words(name)), el("span", { class: "track" }, bar), el("b", {}, part.toFixed(3)));
  })));
}

const near = (nearest) => !nearest?.length ? null : el("div", {}, el("h3", {}, "Nearest in the history"),
  el("ul", { class: "near" }, nearest.map((one) => el("li", {}, cover(one.title ?? one.item_id),
    el("span", {}, value(one.title ?? one.item_id, { class: "name" }), el("small", {}, [words(one.signal ?? ""), typeof one.similarity === "number" && `nearness ${one.similarity.toFixed(2)}`].filter(Boolean).join(", ")))))));

// Everything about one title; `actions` is what can be done with it.
export const whyOf = (item, said, actions) => [way(item, said), shares(item), near(item.explanation?.nearest), actions];
