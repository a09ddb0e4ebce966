// Making elements, and writing numbers as people read them.

// Strings among the children become text, never markup: names come from clients.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.flat());
  return element;
}

export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

// Three digits that count, with the unit that fits.
export function duration(nanos) {
  if (nanos < 1e3) return nanos + " ns";
  const [unit, size] = nanos < 999.5e3 ? ["µs", 1e3] : nanos < 999.5e6 ? ["ms", 1e6] : ["s", 1e9];
  const value = nanos / size;
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + unit;
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
