// Why a title: the way from the user to it, what is nearest, and what each part of the score adds.
import { cover } from "./cover.js";
import { el, value, words } from "./dom.js";

const PARTS = { taste: "taste", popularity: "popularity", similarity: "similar titles" };

const stop = (picture, name, note) => el("li", { class: "stop" }, picture,
  el("span", {}, value(name, { class: "name" }), note && el("small", {}, note)));
const step = (text) => el("li", { class: "step" }, el("span", {}, text));
const you = () => stop(el("span", { class: "person", "aria-hidden": "true" }), "This listener");
const book = (title, note) => stop(cover(title), title, note);

// The way as `explanation.path` has it; else what the reason in words says.
function way(item, explanation, reasons) {
  const here = item.title ?? item.item_id, path = explanation?.path;
  if (path)
    return el("ol", { class: "way" }, you(), step(`${words(path.signal)}`), book(path.title ?? path.item_id),
      path.via ? [step("often heard by those who heard"), book(path.via.title ?? path.via.item_id), step("who also heard")] : step("heard by the same people"),
      book(here, "this title"));
  const phrase = Object.values(reasons ?? {}).find((one) => item.why?.startsWith(`because ${one} `));
  const heard = phrase && item.why.slice(`because ${phrase} `.length);
  if (!heard) return el("p", {}, item.why ? value(`${item.why[0].toUpperCase()}${item.why.slice(1)}.`) : "No one thing in the history leads here: it is the whole of it.");
  return el("ol", { class: "way" }, you(), step(phrase.replace(/^you /, "")), book(heard), step("close in subject and listeners"), book(here, "this title"));
}

function shares(parts) {
  const entries = Object.entries(parts ?? {});
  if (!entries.length) return null;
  const most = Math.max(...entries.map(([, part]) => Math.abs(part)), 1e-9);
  return el("div", {}, el("h3", {}, "What adds to the score"), el("ul", { class: "shares" }, entries.map(([name, part]) => {
    const bar = el("i", { class: part < 0 ? "less" : "", "aria-hidden": "true" });
    bar.style.setProperty("width", `${(100 * Math.abs(part)) / most}%`);
    return el("li", {}, el("span", {}, PARTS[name] ?? words(name)), el("span", { class: "track" }, bar), el("b", {}, part.toFixed(3)));
  })));
}

const near = (nearest) => !nearest?.length ? null : el("div", {}, el("h3", {}, "Nearest in the history"),
  el("ul", { class: "near" }, nearest.map((one) => el("li", {}, cover(one.title ?? one.item_id),
    el("span", {}, value(one.title ?? one.item_id, { class: "name" }), el("small", {}, [words(one.signal ?? ""), typeof one.similarity === "number" && `nearness ${one.similarity.toFixed(2)}`].filter(Boolean).join(", ")))))));

// Everything about one title; `actions` is what can be done with it.
export const whyOf = (item, reasons, actions) => [way(item, item.explanation, reasons), shares(item.explanation?.parts), near(item.explanation?.nearest), actions];
