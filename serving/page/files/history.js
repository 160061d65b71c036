// What a user did: as the service tells it where it may, and what was sent from here.
import { by, el, replace, show, value, words } from "./dom.js";
import { ask } from "./service.js";

const sent = new Map();
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function when(timestamp) {
  const seconds = (new Date(timestamp) - Date.now()) / 1000;
  if (Number.isNaN(seconds)) return timestamp;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return el("time", { datetime: timestamp, title: new Date(timestamp).toLocaleString() }, ago.format(Math.round(seconds / size), unit));
}

const row = (one) => el("li", {}, value(one.title ?? one.item_id, { class: "name" }),
  el("small", {}, `${words(one.signal)}, ${one.item_type}, `, when(one.timestamp)));

export function noteSent(userId, event) {
  sent.set(userId, [event, ...(sent.get(userId) ?? [])]);
}

// Draw the history of a user; `open` says whether the service shows stored ones.
export async function drawHistory(userId, open, signal) {
  show(by("history"), true);
  const own = sent.get(userId) ?? [];
  if (!open) {
    replace(by("events"), own.map(row));
    replace(by("history-said"), own.length ? "Sent from this page. What was stored before is not shown: "
      : "What is stored of a user is not shown: ", el("code", {}, "serving.page_history"), " is off.");
    return;
  }
  try {
    const { data } = await ask("history", { user_id: userId }, signal);
    replace(by("events"), data.events.map(row));
    replace(by("history-said"), data.events.length ? "The latest first." : data.known ? "Nothing on titles of this release." : "Nothing is known of this user.");
  } catch (error) {
    if (error.name === "AbortError") return;
    replace(by("events"), own.map(row));
    replace(by("history-said"), error.message);
  }
}
