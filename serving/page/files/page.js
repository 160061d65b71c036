// The page: whose shelf, what the service answers, and what happens when they do something.
import { by, el, plain, replace, show, value, words } from "./dom.js";
import { asked, drawFilters } from "./filters.js";
import { noteReach, watchHealth } from "./health.js";
import { drawHistory, noteSent } from "./history.js";
import { drawMade, faults } from "./made.js";
import { ask } from "./service.js";
import { drawShelf, markChosen, told } from "./shelf.js";
import { titleSearch } from "./titles.js";
import { whyOf } from "./why.js";

const state = { about: null, answer: null, whom: null, chosen: null, running: null, heard: [] };
const narrow = matchMedia("(max-width: 60rem)");
const isNew = () => by("ask").elements.whom.value === "new";

function fail(error) {
  if (error.name === "AbortError") return;
  noteReach(Boolean(error.down));
  const fields = (error.fields ?? []).slice(0, 5).map((one) => `${one.field}: ${one.message}`);
  replace(by("fault"), error.message, fields.length > 1 ? el("ul", {}, fields.map((one) => el("li", {}, one))) : null);
  by("fault").dataset.down = String(Boolean(error.down));
  show(by("fault"), true);
}

// Whom the shelf is for, as a request says it; null where nobody is named.
function person() {
  if (!isNew()) {
    const userId = by("user").value.trim();
    return userId ? { user_id: userId } : null;
  }
  return state.heard.length
    ? { history: state.heard.map(({ item_id, signal }) => ({ item_id, signal })), history_mode: "replace" }
    : { features: {} };
}

const name = (whom) => whom.user_id ?? "someone new";

// Ask for a shelf and draw it; `news` is said before what changed.
async function shelf(whom, news = "") {
  if (!whom) {
    by("user").focus();
    return fail(new Error("Type a user's id first."));
  }
  state.running?.abort();
  const running = (state.running = new AbortController());
  const same = state.whom && JSON.stringify(whom) === JSON.stringify(state.whom);
  by("shelf").setAttribute("aria-busy", "true");
  try {
    const answer = await ask("recommend", { ...whom, ...asked(), explain: true, preview: true }, running.signal);
    noteReach(false, answer.started);
    show(by("fault"), false);
    draw(whom, answer, same || news ? state.answer : null, news);
    if (whom.user_id) await drawHistory(whom.user_id, state.about?.history, running.signal);
    else show(by("history"), false);
  } catch (error) {
    fail(error);
  } finally {
    if (state.running === running) by("shelf").removeAttribute("aria-busy");
  }
}

function draw(whom, answer, last, news) {
  const { items, how } = answer.data, before = last ? last.data.items.map((one) => one.item_id) : null;
  Object.assign(state, { whom, answer });
  if (whom.features) replace(by("shelf-title"), "Popular titles");
  else replace(by("shelf-title"), "The shelf of ", value(name(whom)));
  const personal = how.vector === "two_tower";
  const kind = !items.length ? "No title: the filters pass none, or all that they pass were had." : personal ? `${items.length} titles, chosen for them.`
    : `${items.length} titles that many listen to${whom.features ? ", as nothing is known of anybody here" : ""}.`;
  const worse = faults(how).length ? " The service runs on less than it should: see how it was made." : "";
  replace(by("shelf-said"), [news, before && told(items, before), kind + worse].filter(Boolean).join(" "));
  drawShelf(items, before, choose);
  drawMade(answer);
  const chosen = items.find((one) => one.item_id === state.chosen) ?? items[0];
  if (chosen) choose(chosen, false);
  else show(by("why"), false);
}

// A button for each thing that can be done with a title; `then` is called with what was.
const signals = (item, then) => (state.about?.signals ?? []).map((signal) => el("button", { type: "button", class: "quiet",
  "aria-label": `${words(signal)}: ${plain(item.title ?? item.item_id)}`, onclick: () => then(item, signal) }, words(signal)));

function actions(item) {
  const known = Boolean(state.whom?.user_id);
  if (!known && !isNew()) return null;
  return el("div", { class: "actions" }, el("p", { class: "soft" }, known ? "Tell the service that they did this:" : "What if they did this?"),
    signals(item, known ? did : heard));
}

function choose(item, opened) {
  state.chosen = item.item_id;
  markChosen(item.item_id);
  const own = { ...item, item_type: state.about?.target_type };
  replace(by("why-body"), whyOf(item, { reasons: {}, heard: "heard", ...state.about }, actions(own)));
  show(by("why"), true);
  if (opened && narrow.matches) {
    // Closing the sheet brings the focus back to where it was.
    by("shelf").querySelector("[aria-pressed=true]").focus();
    by("sheet").append(by("why"));
    by("sheet").showModal();
  }
}

// A user did something, and the service is told.
async function did(item, signal) {
  by("sheet").open && by("sheet").close();
  const title = plain(item.title ?? item.item_id), userId = state.whom.user_id;
  const event = { user_id: userId, item_id: item.item_id, item_type: item.item_type, signal, timestamp: new Date().toISOString() };
  try {
    const { data } = await ask("events", event);
    noteSent(userId, { ...event, title: item.title });
    return await shelf({ user_id: userId }, `${data.new ? "Stored" : "Known before"}: ${words(signal)} of ${title}.${data.known_item ? "" : " The release does not have this title yet."}`);
  } catch (error) {
    return fail(error);
  }
}

// Someone new did something: their history grows on this page alone.
function heard(item, signal) {
  by("sheet").open && by("sheet").close();
  state.heard = [{ ...item, signal }, ...state.heard.filter((one) => one.item_id !== item.item_id)];
  drawHeard();
  shelf(person(), `With ${words(signal)} of ${plain(item.title ?? item.item_id)}:`);
}

function drawHeard() {
  const drop = (item) => { state.heard = state.heard.filter((one) => one !== item); drawHeard(); shelf(person()); };
  replace(by("heard-list"), state.heard.map((item) => el("li", {}, el("button", { type: "button", class: "chip", "aria-label": `Remove ${plain(item.title ?? item.item_id)}`,
    onclick: () => drop(item) }, value(item.title ?? item.item_id), el("span", { "aria-hidden": "true" }, "×")))));
}

function offer(users) {
  show(by("users"), users.length > 0);
  if (users.length) replace(by("user-hint"), "One of these, or any id of your tables.");
  replace(by("users"), users.map((id) => el("li", {}, el("button", { type: "button", class: "chip",
    onclick: () => { by("user").value = id; shelf(person()); } }, value(id)))));
}

async function learn() {
  const { data } = await ask("about");
  if (state.about?.release_id !== data.release_id) drawFilters(data.columns, () => state.whom && shelf(state.whom));
  state.about = data;
  offer(data.users);
}

function listen() {
  const form = by("ask");
  form.addEventListener("submit", (event) => { event.preventDefault(); shelf(person()); });
  for (const radio of form.elements.whom)
    radio.addEventListener("change", () => { show(by("whom-user"), !isNew()); show(by("whom-new"), isNew()); });
  by("sheet").addEventListener("close", () => by("side").prepend(by("why")));
  const finding = (field, usual, then) => {
    const search = titleSearch({ field, usual, actions: (item) => signals(item, (...one) => { search.clear(); then(...one); }) });
  };
  finding("did", "", did);
  finding("heard", "Nothing of it is stored.", heard);
}

async function reached(down, release) {
  if (!down && by("fault").dataset.down === "true") show(by("fault"), false);
  if (down || !release) return;
  try {
    if (state.about?.release_id !== release.release_id) {
      const first = state.about === null;
      await learn();
      if (first && !state.whom) await shelf({ features: {} });
    }
  } catch (error) {
    fail(error);
  }
}

listen();
watchHealth(reached);
