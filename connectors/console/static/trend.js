// A trend: the last days of a patient's count, as a line small enough for a line of the ward.

import { number, span, unit, words } from "./format.js";
import { text } from "./text.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 96;
const HEIGHT = 22;
const EDGE = 3;

function draw(tag, attributes) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** A line on a logarithmic scale of at least a factor of two, so that what hardly moves looks so; its words say the same. */
export function trendLine(trend) {
  if (trend === null) return null;
  const { values } = trend;
  const heights = values.map((value) => Math.log(Math.max(value, 1e-6)));
  const middle = (Math.max(...heights) + Math.min(...heights)) / 2;
  const half = Math.max(Math.max(...heights) - middle, Math.log(2) / 2);
  const x = (i) => EDGE + (i / (values.length - 1)) * (WIDTH - 2 * EDGE);
  const y = (height) => HEIGHT / 2 - ((height - middle) / half) * (HEIGHT / 2 - EDGE);
  const label = text("ward.trend", {
    output: words(trend.output),
    from: number(values[0]),
    to: number(values.at(-1)),
    unit: unit(trend.unit),
    span: span(trend.ends - trend.begins),
  });
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "trend", role: "img", "aria-label": label });
  const title = draw("title", {});
  title.textContent = label;
  const points = heights.map((height, i) => `${x(i).toFixed(1)},${y(height).toFixed(1)}`).join(" ");
  svg.append(title, draw("polyline", { points }), draw("circle", { cx: x(values.length - 1), cy: y(heights.at(-1)), r: 2.5 }));
  return svg;
}
