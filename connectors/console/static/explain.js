// Why an alert stands: the data that decided it beside what had been expected, and what was believed before and after.

import { amount, clock, number, percent, quantity, words } from "./format.js";
import { make } from "./dom.js";
import { text, textOr } from "./text.js";

const NONE = "–";

/** An explanation as elements; nothing where no datum decided. */
export function story(found) {
  if (found.data.length === 0) return [make("p", { className: "soft", text: text("explain.no_datum") })];
  return [
    make("p", { className: "lead", text: text("explain.decided") }),
    make("ul", { className: "data" }, ...found.data.map(datum)),
    make("p", { className: "lead", text: text("explain.believed") }),
    beliefs(found),
    make("p", { className: "soft", text: text("explain.as_seen_now") }),
  ];
}

function datum({ kind, of, t, deciding, measured }) {
  const name = text("grounds.decided", { kind: textOr(`event.${kind}`, words(kind)), of: words(of), time: clock(t) });
  return make("li", { className: deciding ? "deciding" : "" }, make("span", { text: name }), measured === null ? null : compared(measured));
}

function compared({ observed, median, q05, q95, population, unit: ucum }) {
  const where = observed < q05 ? "lower" : observed > q95 ? "higher" : "within";
  const said = text("explain.compared", { observed: amount(observed, ucum), expected: amount(median, ucum), low: number(Math.max(0, q05)), high: number(q95), population: amount(population, ucum) });
  return make("small", {}, `${said} `, make("strong", { text: text(`explain.${where}`) }));
}

/** A table of what was believed; a screen reader gets the same words as anybody. */
function beliefs({ beliefs: each, nadir, step, card }) {
  const rows = each.map(({ name, unit: ucum, at_end, about, then }) =>
    row(at_end ? text("explain.at_end", { name: words(name) }) : words(name), about, ...sides(then, (at) => band(at.band, ucum))));
  const lows = sides(nadir, (low) => band(low.value, low.unit));
  if (nadir.before || nadir.after) {
    const output = words((nadir.after ?? nadir.before).output);
    rows.push(row(text("explain.nadir", { output }), false, ...lows));
    rows.push(row(text("explain.grade4"), false, ...sides(nadir, (low) => percent(low.p_grade4))));
  }
  if (card.steps.some((one) => one.probability !== null))
    rows.push(row(text("explain.this_alert"), true, step.before ? percent(step.before.probability) : text("explain.did_not_stand"), step.after ? percent(step.after.probability) : NONE));
  const heads = ["quantity", "before", "after"].map((name) => make("th", { text: text(`explain.${name}`), attributes: { scope: "col" } }));
  return make("div", { className: "wide", attributes: { role: "region", "aria-label": text("explain.believed"), tabindex: "0" } },
    make("table", { className: "plain" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)));
}

const row = (name, about, before, after) =>
  make("tr", { className: about ? "about" : "" }, make("th", { text: name, attributes: { scope: "row" } }), make("td", { text: before }), make("td", { text: after }));

const sides = ({ before, after }, said) => [before, after].map((each) => (each === null ? NONE : said(each)));

function band(quantiles, ucum) {
  const { value, range } = quantity(quantiles, ucum);
  return range ? `${value} (${range})` : value;
}
