// The few things this page does to the document. Text only ever arrives through textContent.

export const $ = (id) => document.getElementById(id);

/** A new element with class, text and attributes; a child that is null is left out. */
export function make(tag, { className = "", text = null, attributes = {} } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Set text only where it differs, so that selections and screen readers are left in peace. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** A field that is not asked for is neither seen, nor checked, nor sent. */
export function hide(label, hidden) {
  show(label, !hidden);
  label.querySelector("input").disabled = hidden;
}

/** Alert severity: a shape, a word and a colour, so that none of them carries it alone. */
const SHAPES = { high: "▲", medium: "◆", low: "●" };

export function severityMark(severity) {
  return make("span", { className: `mark ${severity}`, text: SHAPES[severity] ?? "●", attributes: { "aria-hidden": "true" } });
}

/** A horizontal interval drawn in a box: `low`..`high` as a bar, `middle` as a tick, all as fractions of the box. */
export function intervalBar(className, low, middle, high) {
  const clamp = (x) => Math.min(1, Math.max(0, x));
  const bar = make("span", { className: `interval ${className}` });
  bar.style.left = `${clamp(low) * 100}%`;
  bar.style.width = `${Math.max(0.5, (clamp(high) - clamp(low)) * 100)}%`;
  const tick = make("span", { className: `tick ${className}` });
  tick.style.left = `${clamp(middle) * 100}%`;
  return [bar, tick];
}
