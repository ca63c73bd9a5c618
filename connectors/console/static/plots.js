// Small plots of what was advised, drawn as SVG so that they print, zoom and follow the colours of the page.

import { day, number } from "./format.js";
import { make } from "./dom.js";
import { text } from "./text.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const DAY = 86_400_000;

function draw(tag, attributes = {}, said = null) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (said !== null) element.textContent = said;
  return element;
}

function picture(width, height, label, parts) {
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  svg.append(...parts);
  return svg;
}

const ROW = 24;
const LEFT = 84;
const PANEL = 200;
const TOP = 44;

/**
 * The odds of every way: a row a way, a panel a question, a dot with two standard errors on either side.
 * ways: [{name, advised}]; panels: [{title: [two lines], limit (or null), odds: [{p, se} or null, one a way]}].
 */
export function oddsPlot(ways, panels) {
  return make("div", { className: "panels" }, ...panels.map((panel) => oddsPanel(ways, panel)));
}

function oddsPanel(ways, { title, limit, odds }) {
  const bottom = TOP + ways.length * ROW;
  const x = (p) => LEFT + Math.min(1, Math.max(0, p)) * PANEL;
  const y = (i) => TOP + (i + 0.5) * ROW;
  const parts = title.map((line, i) => draw("text", { x: LEFT, y: 14 + 15 * i, class: i ? "" : "title" }, line));
  for (const p of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(draw("line", { x1: x(p), x2: x(p), y1: TOP - 4, y2: bottom, class: "grid" }));
    if (p !== 0.25 && p !== 0.75) parts.push(draw("text", { x: x(p), y: bottom + 16, class: "middle" }, `${100 * p} %`));
  }
  if (limit !== null) {
    parts.push(draw("line", { x1: x(limit), x2: x(limit), y1: TOP - 6, y2: bottom + 4, class: "limit" }));
    parts.push(draw("text", { x: x(limit), y: bottom + 30, class: "middle limit-text" }, text("odds.limit", { p: number(100 * limit) })));
  }
  ways.forEach(({ name, advised }, i) => {
    const chosen = advised ? " chosen" : "";
    parts.push(draw("text", { x: LEFT - 12, y: y(i) + 4, class: `end${chosen}` }, name));
    if (odds[i] === null) return;
    const { p, se } = odds[i];
    parts.push(draw("line", { x1: x(p - 2 * se), x2: x(p + 2 * se), y1: y(i), y2: y(i), class: `error${chosen}` }));
    parts.push(draw("circle", { cx: x(p), cy: y(i), r: chosen ? 6 : 4.5, class: `dot${chosen}` }));
  });
  return picture(LEFT + PANEL + 24, bottom + 34, text("odds.panel", { title: title.join(": ") }), parts);
}

/** A step of an axis that people read easily, at least so large. */
function step(least) {
  const size = 10 ** Math.floor(Math.log10(least));
  return size * [1, 2, 2.5, 5, 10].find((factor) => factor * size >= least * 0.9999);
}

const WIDE = 620;
const HIGH = 210;

/** Medians of several ways on over time, and the 5-95 % of the first. lines: [{name, rows: [q05, median, q95]}]. */
export function branchPlot(times, lines, label) {
  const [left, right, top, bottom] = [48, 8, 8, HIGH - 24];
  const highest = 4 * step(Math.max(1e-9, ...lines.flatMap(({ rows }, i) => (i === 0 ? rows[2] : rows[1]))) / 4);
  const x = (t) => left + ((t - times[0]) / Math.max(1, times.at(-1) - times[0])) * (WIDE - left - right);
  const y = (value) => bottom - (Math.min(value, highest) / highest) * (bottom - top);
  const path = (values) => values.map((value, i) => `${i ? "L" : "M"}${x(times[i]).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    draw("line", { x1: left, x2: WIDE - right, y1: y(share * highest), y2: y(share * highest), class: "grid" }),
    draw("text", { x: left - 6, y: y(share * highest) + 4, class: "end" }, number(share * highest)),
  ]);
  const days = Math.max(1, Math.ceil((times.at(-1) - times[0]) / DAY / 6));
  for (let t = times[0]; t <= times.at(-1); t += days * DAY) parts.push(draw("text", { x: x(t), y: HIGH - 6, class: t === times[0] ? "" : "middle" }, day(t)));
  const [plan] = lines;
  const back = plan.rows[0].map((value, i) => `L${x(times[i]).toFixed(1)} ${y(value).toFixed(1)}`).reverse().join("");
  parts.push(draw("path", { d: `${path(plan.rows[2])}${back}Z`, class: "area" }));
  lines.forEach(({ rows }, i) => parts.push(draw("path", { d: path(rows[1]), class: `line way-${i}` })));
  return picture(WIDE, HIGH, label, parts);
}

/** The mark of a way in `branchPlot`, for the table beside it. */
export function wayMark(i) {
  const svg = picture(26, 10, "", [draw("path", { d: "M0 5L26 5", class: `line way-${i}` })]);
  svg.setAttribute("aria-hidden", "true");
  svg.removeAttribute("role");
  svg.classList.add("way-mark");
  return svg;
}

/** A figure with its caption. */
export const figure = (title, plot) => make("figure", { className: "drawn" }, make("figcaption", {}, make("h4", { text: title })), plot);
