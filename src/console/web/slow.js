// The page of slow requests: where the time of a broker's requests goes, and the slowest recent ones.

import { count, duration, make, timeOfDay } from "./dom.js";
import { plot } from "./plot.js";

// In the order in which a request goes through them; docs/operating.md tells more.
const STAGES = {
  wait: "in the pass that read it, until its turn",
  decode: "its header: from bytes to fields",
  handle: "its handler, until it asks for the append lock",
  lock: "waiting for the append lock",
  append: "copying into the log: page faults show here",
  rest: "the lock is let go, until the handler ends",
  others: "the requests behind it in the same pass",
  reply: "until the answers of the pass are written",
  flush: "until its bytes are on disk (SYNC_FLUSH)",
  total: "all of it but flush",
};

// What the kernel did meanwhile.
const COUNTERS = {
  runQueueMicros: (value) => "no core for " + duration(value * 1000),
  minorFaults: (value) => several(value, "minor fault"),
  majorFaults: (value) => several(value, "major fault"),
  reclaimPages: (value) => "reclaimed " + several(value, "page"),
  allocationStalls: (value) => several(value, "stalled allocation"),
  writtenKib: (value) => count(value) + " KiB written back",
  ioStallMicros: (value) => "disk stalled " + duration(value * 1000),
  memoryStallMicros: (value) => "memory stalled " + duration(value * 1000),
  cpuStallMicros: (value) => "cores stalled " + duration(value * 1000),
};

const several = (value, what) => count(value) + " " + what + (value === 1 ? "" : "s");

const colourOf = (stage) => "stage " + (Object.hasOwn(STAGES, stage) ? "stage-" + stage : "stage-unknown");

export const title = "Slow requests";

export function path(broker) {
  return `api/brokers/${encodeURIComponent(broker.name)}/${broker.id}/slow`;
}

// What the page keeps between two answers. `settings` (a URLSearchParams) is in the address, and is saved by `changed`.
export function open(place, settings, changed) {
  const stages = make("tbody");
  const legend = make("ul", { class: "legend", "aria-label": "Stages" });
  const list = make("ol", { class: "requests" });
  const dots = make("div");
  const says = make("p", { class: "says", id: "requests-told" });
  const filter = make("input", { type: "search", placeholder: "request or peer", "aria-label": "Filter by request or peer" });
  const order = make("select", { "aria-label": "Order" },
    make("option", { value: "latest" }, "latest first"), make("option", { value: "slowest" }, "slowest first"));
  let body = null;
  let shown = "";

  const set = (name, value, standard) => {
    if (value === standard) settings.delete(name);
    else settings.set(name, value);
    changed();
    if (body) showRequests();
  };
  filter.value = settings.get("filter") ?? "";
  order.value = settings.get("order") === "slowest" ? "slowest" : "latest";
  filter.addEventListener("input", () => set("filter", filter.value, ""));
  order.addEventListener("change", () => set("order", order.value, "latest"));

  function chosen() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = body.requests.filter((one) => {
      const text = `${one.request} ${one.code} ${one.peer}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    return order.value === "latest" ? found : found.sort((a, b) => b.totalMicros - a.totalMicros);
  }

  function showRequests() {
    const state = JSON.stringify([body.requests, body.thresholdMicros, filter.value, order.value]);
    if (state === shown) return; // what is selected or pointed at stays
    shown = state;
    const found = chosen();
    const longest = Math.max(1, ...body.requests.map((one) => one.totalMicros));
    const items = new Map(found.map((one) => [one, requestItem(one, longest)]));
    list.replaceChildren(...items.values());
    dots.replaceChildren(...plot(found, (one) => colourOf(longestStage(one).name), (one) => items.get(one).focus()));
    legend.replaceChildren(...legendOf(body.requests));
    says.textContent = summary(body, found.length);
  }

  function show(answer) {
    body = answer;
    stages.replaceChildren(...body.stages.map(stageRow));
    showRequests();
  }

  place.replaceChildren(
    make("section", { "aria-labelledby": "stages" },
      make("h2", { id: "stages" }, "Where the time goes"),
      make("div", { class: "scrolls", tabindex: "0", role: "region", "aria-labelledby": "stages" },
        make("table", {},
          make("thead", {}, make("tr", {}, ["stage", "requests", "p50", "p99", "p99.9", "max", "from … to"]
            .map((head) => make("th", { scope: "col" }, head)))),
          stages))),
    make("section", { "aria-labelledby": "requests" },
      make("div", { class: "bar" }, make("h2", { id: "requests" }, "Slow requests"), filter, order),
      says, dots, legend, list));
  return show;
}

function stageRow(stage) {
  const cell = (nanos) => make("td", {}, stage.count ? duration(nanos) : "–");
  return make("tr", { class: stage.name === "total" ? "total" : "" },
    make("th", { scope: "row" }, make("span", { class: colourOf(stage.name) }), stage.name),
    make("td", {}, count(stage.count)),
    cell(stage.p50Nanos), cell(stage.p99Nanos), cell(stage.p999Nanos), cell(stage.maxNanos),
    make("td", { class: "tells" }, STAGES[stage.name] ?? ""));
}

function summary(body, found) {
  const threshold = duration(body.thresholdMicros * 1000);
  const all = body.requests.length;
  if (body.thresholdMicros === 0 && all === 0)
    return "The broker keeps none: its slowRequestThresholdMicros is 0.";
  if (all === 0) return `No request took ${threshold} or more.`;
  const which = found === all ? `${all}` : `${found} of ${all}`;
  return `${which} that took ${threshold} or more (slowRequestThresholdMicros); of each pass the slowest, at most the 64 latest.`;
}

// Those that have a share in some bar, in the order of the bars.
function legendOf(requests) {
  const used = new Set(requests.flatMap((one) => one.stages.filter((stage) => stage.micros > 0).map((stage) => stage.name)));
  const names = [...Object.keys(STAGES).filter((name) => used.has(name)), ...[...used].filter((name) => !Object.hasOwn(STAGES, name))];
  return names.map((name) => make("li", { title: STAGES[name] ?? "" }, make("span", { class: colourOf(name) }), name));
}

const longestStage = (one) => one.stages.reduce((a, b) => (b.micros > a.micros ? b : a), { name: "", micros: 0 });

function requestItem(one, longest) {
  const micros = (value) => duration(value * 1000);
  const parts = one.stages.filter((stage) => stage.micros > 0);
  const bar = make("div", { class: "stack", role: "img", "aria-label": parts.map((stage) => `${stage.name} ${micros(stage.micros)}`).join(", ") },
    parts.map((stage) => {
      const share = make("span", { class: colourOf(stage.name), title: `${stage.name}: ${micros(stage.micros)}` });
      share.style.flexGrow = stage.micros;
      return share;
    }));
  bar.style.width = Math.max(1, 100 * one.totalMicros / longest) + "%";
  const most = longestStage(one);
  return make("li", { tabindex: "-1" },
    make("div", { class: "what" },
      make("strong", {}, micros(one.totalMicros)),
      make("span", { class: "name" }, one.request, make("small", {}, ` ${one.code}`)),
      make("span", {}, "from " + one.peer),
      make("span", {}, one.requestsInPass === 1 ? "alone in its pass" : `${count(one.requestsInPass)} in the pass`),
      make("time", { datetime: new Date(one.atMillis).toISOString() }, timeOfDay(one.atMillis))),
    bar,
    make("div", { class: "why" },
      most.micros > 0 ? make("span", {}, `${most.name} ${micros(most.micros)}`) : "",
      kernelOf(one.kernel)));
}

function kernelOf(kernel) {
  const over = kernel.find((counter) => counter.name === "overMillis");
  const told = kernel.filter((counter) => counter !== over && counter.value !== 0)
    .map(({ name, value }) => (Object.hasOwn(COUNTERS, name) ? COUNTERS[name](value) : `${name} ${count(value)}`));
  if (told.length === 0) return [];
  return [make("span", { class: "kernel" }, `kernel${over ? `, in ${count(over.value)} ms` : ""}:`),
    ...told.map((text) => make("span", { class: "counter" }, text))];
}
