// Requests by time and duration, a dot each: what comes in bursts, or each so many seconds, is seen at once.

import { count, duration, make, svg, timeOfDay } from "./dom.js";

// A place in percent, with so many left free on both sides.
const between = (edge, share) => edge + share * (100 - 2 * edge);

// Each dot in the colour of classOf(request); choose(request) when it is pointed at and pressed. Durations are logarithmic.
export function plot(requests, classOf, choose) {
  if (requests.length < 2) return [];
  const times = requests.map((one) => one.atMillis);
  const durations = requests.map((one) => Math.max(1, one.totalMicros));
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const [least, most] = [Math.log10(Math.min(...durations)), Math.log10(Math.max(...durations))];
  const x = (millis) => between(4, last === first ? 0.5 : (millis - first) / (last - first)) + "%";
  const y = (log) => 100 - between(12, most === least ? 0.5 : (log - least) / (most - least)) + "%";

  const lines = [];
  for (let power = Math.ceil(least); power <= most; power++)
    lines.push(svg("line", { x1: "0", x2: "100%", y1: y(power), y2: y(power) }),
      svg("text", { x: "0", y: y(power), dx: "6", dy: "-3" }, duration(1000 * 10 ** power).replace(/\.0+/, "")));
  const dots = requests.map((one, i) => {
    const dot = svg("circle", { cx: x(one.atMillis), cy: y(Math.log10(durations[i])), r: "5", class: classOf(one) },
      svg("title", {}, `${duration(one.totalMicros * 1000)} ${one.request} at ${timeOfDay(one.atMillis)}`));
    dot.addEventListener("click", () => choose(one));
    return dot;
  });
  const label = `${count(requests.length)} requests from ${timeOfDay(first)} to ${timeOfDay(last)}`;
  return [
    svg("svg", { class: "plot", role: "img", "aria-label": label }, lines, dots),
    make("div", { class: "times", "aria-hidden": "true" }, make("span", {}, timeOfDay(first)), make("span", {}, timeOfDay(last))),
  ];
}
