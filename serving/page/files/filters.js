// Filters from the columns that the release declares, and what they ask.
import { by, el, replace, words } from "./dom.js";

const languages = typeof Intl.DisplayNames === "function" ? new Intl.DisplayNames(["en"], { type: "language" }) : null;
const FEW = 12, USUAL = 10;

function spoken(tag) {
  try { return languages?.of(tag) ?? tag; } catch { return tag; }
}

function options(column) {
  const name = column.name === "language" ? spoken : (one) => one;
  return [el("option", { value: "" }, "any"), ...column.values.map((one) =>
    el("option", { value: one.value }, `${name(one.value)} (${one.items})`))];
}

function field(column) {
  const title = words(column.name), at = { "data-column": column.name };
  if (column.kind === "number" || column.kind === "moment") {
    const type = column.kind === "number" ? "number" : "date", shown = (end) => column.kind === "number" ? end : String(end ?? "").slice(0, 10);
    const end = (side, text) => el("label", { class: "field" }, el("span", {}, `${title}, ${text}`),
      el("input", { type, ...at, "data-side": side, step: "any", placeholder: shown(column[side]) }));
    return [end("min", "from"), end("max", "to")];
  }
  if (column.name !== "language" && column.values.length <= FEW && !column.more)
    return el("fieldset", { class: "ticks" }, el("legend", {}, title), column.values.map((one) =>
      el("label", {}, el("input", { type: "checkbox", ...at, value: one.value }), el("span", {}, one.value))));
  return el("label", { class: "field" }, el("span", {}, title), el("select", at, options(column)));
}

// Draw a field for each column, and how many titles are wanted; `changed` is called after each change.
export function drawFilters(columns, changed) {
  const count = el("label", { class: "field" }, el("span", {}, "titles"), el("select", { id: "count" },
    [5, 10, 20, 50, 100].map((k) => el("option", { value: k, selected: k === USUAL }, k))));
  replace(by("columns"), count, columns.map(field),
    el("button", { type: "button", class: "quiet", onclick: () => { drawFilters(columns, changed); changed(); } }, "Clear"));
  by("columns").onchange = () => { say(); changed(); };
  say();
}

// What a request asks besides whose shelf it is.
export function asked() {
  // A column may have any name, that of something which every object has too.
  const filter = { include: { __proto__: null }, ranges: { __proto__: null } };
  for (const input of by("columns").querySelectorAll("[data-column]")) {
    const { column, side } = input.dataset;
    if (input.type === "checkbox" ? !input.checked : input.value === "") continue;
    if (side) {
      const range = (filter.ranges[column] ??= {});
      range[side] = input.type === "number" ? Number(input.value) : `${input.value}T${side === "min" ? "00:00:00" : "23:59:59"}Z`;
    } else (filter.include[column] ??= []).push(input.value);
  }
  const parts = Object.entries(filter).filter(([, columns]) => Object.keys(columns).length);
  return { k: Number(by("count")?.value ?? USUAL), ...(parts.length ? { filter: Object.fromEntries(parts) } : {}) };
}

function say() {
  const { filter = {}, k } = asked();
  const names = [...new Set(Object.values(filter).flatMap((columns) => Object.keys(columns)))].map(words);
  replace(by("filters-said"), `${k} titles${names.length ? `, by ${names.join(" and ")}` : ""}`);
}
