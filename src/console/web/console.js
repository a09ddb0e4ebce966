// The frame of the console: which page, of which broker, asked again while somebody looks.
//
// The address tells it all: #/PAGE/BROKER/ID?settings of the page. A page is a module like slow.js, in the table below:
//   title                          what its link says
//   path(broker)                   what it asks
//   open(place, settings, changed) makes it in `place`; gives the function that shows an answer

import { make, timeOfDay } from "./dom.js";
import * as slow from "./slow.js";

const PAGES = { slow };
const EVERY_MS = 2000;
const BROKERS_EVERY_MS = 10000;

const place = document.getElementById("page");
const state = document.getElementById("state");
const picker = document.getElementById("broker");
const pause = document.getElementById("pause");
const links = document.getElementById("pages");

let brokers = [];
let brokersAt = -Infinity;
let at = null; // { page, name, id, settings, show }; without name and id: no broker is chosen yet
let isPaused = false;
let timer = 0;
let asking = null; // an AbortController while a question is under way
let answeredAt = 0;

// ---- the address

function parse(hash) {
  const [route, query] = hash.replace(/^#\/?/, "").split("?", 2);
  const [page, name, id] = route.split("/").map((word) => {
    try {
      return decodeURIComponent(word);
    } catch {
      return word;
    }
  });
  const broker = name && /^\d+$/.test(id) ? { name, id: Number(id) } : {};
  return { page: Object.hasOwn(PAGES, page) ? page : "slow", ...broker, settings: new URLSearchParams(query) };
}

function address(page, name, id, settings) {
  const query = settings?.toString();
  const words = name === undefined ? [page] : [page, encodeURIComponent(name), id];
  return "#/" + words.join("/") + (query ? "?" + query : "");
}

// Without a step in the history: what is typed into a filter is none.
function save() {
  history.replaceState(null, "", address(at.page, at.name, at.id, at.settings));
  showWhere();
}

// ---- what is shown around the page

function say(text, kind = "") {
  if (state.textContent !== text) state.textContent = text;
  state.className = kind;
  place.classList.toggle("stale", kind === "trouble");
}

function showWhere() {
  document.title = `${PAGES[at.page].title}${at.name === undefined ? "" : " of " + at.name} - Ramjet`;
  links.replaceChildren(...Object.entries(PAGES).map(([name, page]) =>
    make("a", { href: address(name, at.name, at.id), ...(name === at.page ? { "aria-current": "page" } : {}) }, page.title)));
}

const keyOf = (broker) => broker.name + "/" + broker.id;

function showBrokers() {
  const known = brokers.some((broker) => keyOf(broker) === keyOf(at));
  const options = brokers.map((broker) =>
    make("option", { value: keyOf(broker), selected: keyOf(broker) === keyOf(at) },
      `${broker.name} ${broker.id === 0 ? "master" : "slave " + broker.id} (${broker.address})`));
  if (!known && at.name !== undefined)
    options.unshift(make("option", { value: keyOf(at), selected: true }, `${at.name} ${at.id} (not listed)`));
  picker.replaceChildren(...options);
  picker.disabled = options.length === 0;
}

// ---- asking

class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path) {
  const answer = await fetch(path, { signal: asking.signal });
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refusal(answer.status, body?.error ?? answer.statusText);
  return body;
}

async function askBrokers() {
  if (performance.now() - brokersAt < BROKERS_EVERY_MS) return;
  const found = await ask("api/brokers");
  brokersAt = performance.now();
  if (at.name === undefined && found.length > 0) {
    ({ name: at.name, id: at.id } = found[0]);
    save();
  }
  if (JSON.stringify(found) !== JSON.stringify(brokers) || picker.options.length === 0) {
    brokers = found;
    showBrokers();
  }
}

async function refresh() {
  if (at.name === undefined) return say("The name server lists no broker.", "plain");
  at.show(await ask(PAGES[at.page].path({ name: at.name, id: at.id })));
  answeredAt = Date.now();
  say(isPaused ? "Paused. As of " + timeOfDay(answeredAt).slice(0, -4) : "", "plain");
}

function tellFailure(error) {
  const is = error instanceof Refusal && error.status === 501 ? "instead" : "trouble"; // it will never be otherwise, or it may
  const text = error instanceof Refusal ? error.message : "the console does not answer; is ramjet still running?";
  const old = answeredAt ? ` What stands below is from ${timeOfDay(answeredAt).slice(0, -4)}.` : "";
  say(sentence(text) + (is === "trouble" ? old + " Trying again." : ""), is);
  place.hidden = is === "instead" || answeredAt === 0;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (text.endsWith("?") ? "" : ".");

async function look() {
  clearTimeout(timer);
  asking?.abort();
  const mine = (asking = new AbortController());
  try {
    await askBrokers();
    await refresh();
    place.hidden = false;
  } catch (error) {
    if (mine.signal.aborted) return;
    tellFailure(error);
    brokersAt = -Infinity;
  }
  if (mine === asking && !isPaused && !document.hidden) timer = setTimeout(look, EVERY_MS);
}

// ---- what people do

function go() {
  at = parse(location.hash);
  answeredAt = 0;
  place.hidden = true;
  at.show = PAGES[at.page].open(place, at.settings, save);
  showWhere();
  showBrokers();
  say("Asking …", "plain");
  look();
}

picker.addEventListener("change", () => {
  const chosen = brokers.find((broker) => keyOf(broker) === picker.value);
  if (chosen) location.hash = address(at.page, chosen.name, chosen.id, at.settings);
});

pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  pause.textContent = isPaused ? "Go on" : "Pause";
  if (isPaused) {
    clearTimeout(timer);
    say(answeredAt ? "Paused. As of " + timeOfDay(answeredAt).slice(0, -4) : "Paused.", "plain");
  } else {
    look();
  }
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!isPaused) look();
});

addEventListener("hashchange", go);
go();
