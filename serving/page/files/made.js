// How an answer was made: by which rung, in what time, from which release and arm.
import { by, el, replace, show, value, words } from "./dom.js";

const RUNGS = [
  { text: "Personal: user tower over the vector index", is: (how) => how.vector === "two_tower" && how.search !== "exact" },
  { text: "Personal: user tower, exact search", is: (how) => how.vector === "two_tower" && how.search === "exact" },
  { text: "Popular in the user's country", is: (how) => how.vector === "popular_country" },
  { text: "Popular everywhere", is: (how) => how.vector === "popular" },
];
const REASONS = {
  __proto__: null,
  features_timeout: "the feature store did not answer in time", features_error: "the feature store fails",
  features_resting: "the feature store rests after failures", user_unknown: "nothing is known of this user",
  user_unreadable: "what is stored of this user is damaged", tower_error: "the user tower failed",
  index_timeout: "the index did not answer in time", index_error: "the index fails",
  index_resting: "the index rests after failures", index_refused: "the index takes no such filter",
  index_incomplete: "the index has lost items", index_unchecked: "the index has not been looked at yet",
  index_foreign: "the index holds another release", index_short: "the index answered too few",
  exact_error: "exact search failed", explanation_error: "why paths could not be found", arm_release_missing: "the release of the arm is not there",
  language_not_offered: "nothing to recommend is in this language", filter_matches_nothing: "no title passes the filters",
  nothing_left: "the user has had all that passes", internal_error: "the service made a fault; its log says more",
};
const STAGES = { __proto__: null, queue: "waiting", features: "features", encode: "user tower", tower: "user tower", search: "search", why: "reasons", explain: "why paths", answer: "writing" };
// What is said of a user or a filter, and no fault of any part.
const PLAIN = new Set(["user_unknown", "language_not_offered", "filter_matches_nothing", "nothing_left"]);

export const inWords = (reason) => REASONS[reason] ?? words(reason);
export const faults = (how) => how.fallbacks.filter((one) => !PLAIN.has(one));

function rungs(how) {
  // Where no index is asked, exact search is the first rung and not the second.
  const indexed = how.search !== "exact" || how.fallbacks.some((one) => one.startsWith("index_"));
  const some = indexed && !how.fallbacks.includes("user_unknown") ? RUNGS : RUNGS.slice(1);
  const at = some.findIndex((rung) => rung.is(how));
  return el("ol", { class: "rungs", "aria-label": "Rungs, the best first" }, some.map((rung, place) =>
    el("li", { class: place === at ? "here" : place < at ? "left" : "", "aria-current": place === at ? "true" : null }, rung.text)));
}

function times(stages, took) {
  const known = stages.filter((one) => one.name !== "total");
  const inside = known.reduce((sum, one) => sum + one.ms, 0);
  const all = [...known, { name: "way", ms: Math.max(0, took - inside) }];
  const bar = el("div", { class: "times", "aria-hidden": "true" }, all.map((one, at) => {
    const part = el("span", { class: `part${at === all.length - 1 ? " way" : ""}`, "data-at": at });
    part.style.setProperty("flex-grow", String(Math.max(one.ms, 0.01)));
    return part;
  }));
  const rows = all.map((one, at) => el("li", {}, el("i", { class: at === all.length - 1 ? "way" : "", "data-at": at, "aria-hidden": "true" }),
    el("span", {}, one.name === "way" ? "network, browser, rest" : STAGES[one.name] ?? words(one.name)), el("b", {}, `${one.ms.toFixed(one.ms < 10 ? 2 : 0)} ms`)));
  return el("div", {}, el("h3", {}, `Answered in ${took.toFixed(0)} ms`), bar, el("ul", { class: "legend" }, rows));
}

const row = (name, given) => given === null || given === undefined ? null : [el("dt", {}, name), el("dd", {}, value(given))];

// Draw how the shelf of an answer came to be.
export function drawMade({ data, took, stages }) {
  const unknown = (data.how.unknown ?? []).map((one) => `${one.field}: ${one.value}`);
  replace(by("made-body"), rungs(data.how),
    data.how.fallbacks.length ? el("p", { class: faults(data.how).length ? "warn" : "soft" },
      `Because ${data.how.fallbacks.map(inWords).join("; ")}.`) : null,
    unknown.length ? el("p", { class: "warn" }, `Nothing in the release has ${unknown.join(", ")}.`) : null,
    times(stages, took),
    el("dl", { class: "facts" }, row("arm", data.arm ?? "none: outside of the experiment"), row("release", data.release_id),
      row("search", data.how.search), row("request", data.request_id)));
  show(by("made"), true);
}
