// How the service is, asked again and again: an outage never looks healthy.
import { by, plain, replace } from "./dom.js";
import { ask } from "./service.js";

const EVERY_MS = 10_000, WHEN_DOWN_MS = 2_000;
const clock = (moment) => new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
let waiting, heard = () => {}, isDown = false, lastDown = -1, looking = false;

function say(state, text) {
  const node = by("health");
  // Said again only where it changed, so that nobody is read the same every ten seconds.
  if (node.dataset.state === state && by("health-text").textContent === text) return;
  node.dataset.state = state;
  replace(by("health-text"), text);
}

// Note that an answer or a refusal came, or that nothing did, to what was asked at `started`
// (performance.now). What was asked before the latest silence and answered after it tells nothing.
export function noteReach(down, started = performance.now()) {
  if (!down && started < lastDown) return;
  if (down) lastDown = performance.now();
  if (down && !isDown) say("down", `Not reachable since ${clock(Date.now())}`);
  if (down !== isDown) {
    isDown = down;
    document.body.dataset.down = String(down);
    heard(down);
    if (down) later();
  }
}

function tell(release) {
  const ill = Object.entries(release.parts).filter(([, part]) => !part.ok);
  if (!ill.length) return say("well", `Well, release ${release.release_id}`);
  const [name, part] = ill[0], more = ill.length > 1 ? ` and ${ill.length - 1} more` : "";
  return say("worse", plain(`Degraded since ${clock(part.since)}: ${name}${more}. ${part.why ?? ""}`));
}

async function look() {
  if (looking) return;
  looking = true;
  const started = performance.now();
  try {
    const { data } = await ask("release");
    noteReach(false, started);
    if (isDown) return;
    tell(data);
    heard(false, data);
  } catch (error) {
    noteReach(Boolean(error.down), started);
    if (!error.down) say("down", plain(error.message));
  } finally {
    looking = false;
    later();
  }
}

function later() {
  clearTimeout(waiting);
  waiting = setTimeout(() => (document.hidden ? later() : look()), isDown ? WHEN_DOWN_MS : EVERY_MS);
}

// Begin; `then(down, release)` is called when reach changes and with each answer.
export function watchHealth(then) {
  heard = then;
  document.addEventListener("visibilitychange", () => document.hidden || look());
  return look();
}
