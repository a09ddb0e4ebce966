// Making elements, and writing numbers as people read them.

// Strings among the children become text, never markup: names come from clients.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.flat());
  return element;
}

// Three digits that count, with the unit that fits.
export function duration(nanos) {
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]])
    if (nanos >= size) return (nanos / size).toPrecision(nanos >= 1000 * size ? 4 : 3).replace(/e\+\d+$/, "") + " " + unit;
  return nanos + " ns";
}

export function count(number) {
  return number.toLocaleString("en");
}

export function timeOfDay(millis) {
  const at = new Date(millis);
  const time = at.toLocaleTimeString("en-GB") + "." + String(at.getMilliseconds()).padStart(3, "0");
  const day = at.toDateString() === new Date().toDateString() ? "" : at.toLocaleDateString("en-CA") + " ";
  return day + time;
}
