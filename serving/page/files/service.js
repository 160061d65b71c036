// The one way to the service: what it is asked, and what went wrong in words.

const PATIENCE_MS = 10_000;
const PATHS = {
  recommend: "v1/recommend", events: "v1/events", release: "v1/release",
  about: "page/about", titles: "page/titles", history: "page/history",
};

// Why there is no answer. `down` tells an outage from a refusal.
export class Fault extends Error {
  constructor(message, { down = false, status = 0, fields = [] } = {}) {
    super(message);
    Object.assign(this, { down, status, fields, name: "Fault" });
  }
}

const NAMES = {
  400: "The service does not take this.", 404: "The service does not answer this.",
  413: "That is too long.", 429: "The service has more to do than it can. Try again in a moment.",
  500: "The service made a fault; its log says more.", 503: "The service cannot answer this now.",
  504: "The service did not answer in time.",
};

// Milliseconds by stage, from `Server-Timing`.
function stages(header) {
  return (header ?? "").split(",").map((one) => one.trim().match(/^([\w-]+).*;dur=([\d.]+)/))
    .filter(Boolean).map(([, name, took]) => ({ name, ms: Number(took) }));
}

async function refusal(response) {
  let told = {};
  try { told = await response.json(); } catch { /* whoever answered speaks no JSON */ }
  const detail = told?.detail;
  const message = [NAMES[response.status] ?? `The service answered ${response.status}.`, detail].filter(Boolean).join(" ");
  // A proxy that finds nobody behind it answers in its own words.
  const down = response.status >= 502 && !told?.code;
  return new Fault(message, { down, status: response.status, fields: told?.fields ?? [] });
}

// Ask; `body` makes it a POST. Throws Fault, or AbortError where `signal` said so.
export async function ask(name, body, signal) {
  const started = performance.now();
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const init = { signal: signal ? AbortSignal.any([signal, patience]) : patience, cache: "no-store", credentials: "same-origin" };
  if (body !== undefined)
    Object.assign(init, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  let response, data;
  try {
    response = await fetch(PATHS[name], init);
    if (!response.ok) throw await refusal(response);
    data = await response.json();
  } catch (error) {
    if (error instanceof Fault || error.name === "AbortError") throw error;
    if (error.name === "TimeoutError")
      throw new Fault(`The service said nothing for ${PATIENCE_MS / 1000} seconds.`, { down: true });
    throw new Fault("The service cannot be reached. What is shown here is from before.", { down: true });
  }
  return { data, started, took: performance.now() - started, stages: stages(response.headers.get("Server-Timing")) };
}
