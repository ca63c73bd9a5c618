// What-ifs side by side, and how odds are written in tables.

import { decimals, grade, number, percent, unit, whatIf, words } from "./format.js";
import { branchPlot, figure, wayMark } from "./plots.js";
import { make } from "./dom.js";
import { inWords } from "./said.js";
import { text } from "./text.js";

export const harm = (toxicity) => `P(${grade(toxicity)})`;
export const chance = ({ p, se }) => `${percent(p)} ± ${decimals(100 * se, 1)}`;
export const table = (caption, columns, rows) => make("div", { className: "wide", attributes: { role: "region", "aria-label": caption, tabindex: "0" } },
  make("table", { className: "plain" }, make("caption", { className: "unseen", text: caption }),
    make("thead", {}, make("tr", {}, ...columns.map((name) => make("th", { text: name, attributes: { scope: "col" } })))), make("tbody", {}, ...rows)));
export const head = (said, className = "") => make("th", { text: said, className, attributes: { scope: "row" } });

/** Of each output the medians over the plan's band, and the odds as a table. */
export function branches(card) {
  const followed = card.branches.filter((one) => one.problem === null);
  const [plan] = followed;
  const figures = plan.curves.map((curve, n) => {
    const lines = followed.map((one) => ({ name: whatIf(one.words), rows: one.curves[n].rows }));
    const title = text("branches.figure", { output: words(curve.output), unit: unit(curve.unit) });
    return figure(title, branchPlot(card.ahead, lines, text("branches.label", { title })));
  });
  const medians = plan.curves.map((curve) => text("branches.range", { output: words(curve.output), unit: unit(curve.unit) }));
  const rows = followed.map((one, i) => {
    const name = make("th", { className: "way", attributes: { scope: "row" } }, wayMark(i), make("span", { text: whatIf(one.words) }));
    const ranges = one.curves.map(({ rows: [, median] }) => make("td", { text: between(median) }));
    return make("tr", {}, name, ...one.harms.map((each) => make("td", { text: chance(each) })), ...ranges);
  });
  const columns = [text("advice.what_if"), ...plan.harms.map((one) => `${harm(one.toxicity)}, %`), ...medians];
  return make("div", { className: "branches" }, make("h4", { text: text("advice.what_if") }), make("div", { className: "beside" }, table(text("branches.caption"), columns, rows), make("div", { className: "curves" }, ...figures)));
}

/** From the lowest to the highest; what is under a thousandth of the highest is nothing to look at. */
function between(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${number(low < high / 1000 ? 0 : low)} … ${number(high < 1e-6 ? 0 : high)}`;
}

export const problem = (one) => text("withheld.not_followed", { words: whatIf(one.words), why: inWords({ said: one.said, text: one.problem }).text });
