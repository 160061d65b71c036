// A field that finds titles as one types, and a button for each thing that can be done with one.
import { by, el, replace, value } from "./dom.js";
import { ask } from "./service.js";

const WAIT_MS = 180;

// `field` is an id, beside which stand `field-said` and `field-found`; `usual` is said where nothing
// is typed, and `actions(item)` gives the buttons of a title found.
export function titleSearch({ field, usual, actions }) {
  const said = `${field}-said`, found = `${field}-found`;
  let waiting, running;
  const clear = () => { running?.abort(); clearTimeout(waiting); replace(by(found)); };
  async function search(text) {
    running?.abort();
    running = new AbortController();
    try {
      const { data } = await ask("titles", { text }, running.signal);
      replace(by(found), data.items.map((item) => el("li", {}, el("span", {}, value(item.title ?? item.item_id, { class: "name" }),
        el("small", {}, item.item_type)), el("span", { class: "does" }, actions(item)))));
      replace(by(said), data.items.length ? `${data.more ? "The first " : ""}${data.items.length} titles found.` : "No title holds this.");
    } catch (error) {
      if (error.name === "AbortError") return;
      replace(by(found));
      replace(by(said), error.message);
    }
  }
  by(field).addEventListener("input", () => {
    const text = by(field).value.trim();
    clear();
    if (text) waiting = setTimeout(search, WAIT_MS, text);
    else replace(by(said), usual);
  });
  by(field).addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    by(field).value = "";
    clear();
    replace(by(said), usual);
  });
  return { clear() { by(field).value = ""; clear(); replace(by(said), usual); } };
}
