// Charts over event time, drawn by uPlot: bands of quantiles, what was measured, what is ahead, and where the limits are.

import { clock, day, number, unit, zone } from "./format.js";
import { make, write } from "./dom.js";
import { locale, text } from "./text.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Quantiles in the order of the wire. */
const LEVELS = ["q05", "q25", "q50", "q75", "q95"];

/**
 * The columns of a band chart.
 * past: [[t, [q05, q25, median, q75, q95], extra?]...] in time order; ahead: the same; measured: [[t, value]...].
 * Returns [times, past x5, ahead x5, measured, extra]; null where a column has no value.
 */
export function columns(past, ahead, measured, logarithmic) {
  const times = new Set();
  for (const part of [past, ahead, measured]) for (const [t] of part) times.add(t);
  const x = [...times].sort((a, b) => a - b);
  const place = new Map(x.map((t, i) => [t, i]));
  const column = () => new Array(x.length).fill(null);
  const bands = [...LEVELS, ...LEVELS].map(column);
  const seen = column();
  const extra = column();
  const fit = (value) => (value === null || value === undefined || (logarithmic && value <= 0) ? null : value);
  for (const [t, band, more] of past) {
    band.forEach((value, i) => (bands[i][place.get(t)] = fit(value)));
    extra[place.get(t)] = fit(more);
  }
  for (const [t, band] of ahead) band.forEach((value, i) => (bands[i + 5][place.get(t)] = fit(value)));
  for (const [t, value] of measured) seen[place.get(t)] = fit(value);
  // A time that belongs to one part only must not break the lines of the others: uPlot draws on over `undefined`.
  fill(past, bands.slice(0, 5).concat([extra]), x);
  fill(ahead, bands.slice(5), x);
  return [x, ...bands, seen, extra];
}

function fill(part, lines, x) {
  if (part.length === 0) return;
  const own = new Set(part.map(([t]) => t));
  const [first, last] = [part[0][0], part.at(-1)[0]];
  x.forEach((t, i) => {
    if (t > first && t < last && !own.has(t)) for (const line of lines) line[i] = undefined;
  });
}

function dates(u, splits, axis, space, increment) {
  const years = new Intl.DateTimeFormat(locale, { timeZone: zone(), year: "numeric" });
  const hour = new Intl.DateTimeFormat(locale, { timeZone: zone(), hour: "2-digit", minute: "2-digit" });
  let before = null;
  let year = null;
  return splits.map((t) => {
    const today = day(t);
    const own = years.format(t);
    const below = increment >= DAY ? own !== year && own : today !== before && today;
    const shown = increment >= DAY ? today : hour.format(t);
    before = today;
    year = own;
    return below ? `${shown}\n${below}` : shown;
  });
}

/** One chart in its figure. `view()` gives what all charts share: {now, span, ahead, logarithmic}. */
export class Chart {
  constructor(parent, name, title, view) {
    this.view = view;
    this.readout = make("p", { className: "readout" });
    this.heading = make("h3", { text: title });
    this.box = make("div", { className: "plot", attributes: { role: "img", "data-chart": name } });
    this.figure = make("figure", {}, make("figcaption", {}, this.heading, this.readout), this.box);
    parent.append(this.figure);
    this.plot = null;
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(this.box);
  }

  /** drawn: {columns, title, unit, limits: [{low, high?, label}], marks: [{t, severity (a colour's name)}], stepped, least (lowest top of the scale), summary, names} */
  draw(drawn) {
    const rebuilt = !this.drawn || this.drawn.stepped !== drawn.stepped || this.drawn.columns.length !== drawn.columns.length;
    this.drawn = drawn;
    write(this.heading, drawn.title);
    this.box.setAttribute("aria-label", `${drawn.title}: ${drawn.summary}`);
    if (rebuilt) this.rebuild();
    else this.plot?.setData(drawn.columns);
    this.tell();
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    if (!this.drawn || this.box.clientWidth === 0 || !window.uPlot) return;
    this.plot = new window.uPlot(this.options(), this.drawn.columns, this.box);
  }

  resize() {
    if (this.plot === null) this.rebuild();
    else if (this.box.clientWidth > 0 && this.plot.width !== this.box.clientWidth)
      this.plot.setSize({ width: this.box.clientWidth, height: this.height() });
  }

  remove() {
    this.resizing.disconnect();
    this.plot?.destroy();
    this.figure.remove();
  }

  height() {
    if (this.view().printing) return 120;
    return this.box.clientWidth < 500 ? 200 : 230;
  }

  options() {
    const axis = { stroke: colour("ink-soft"), font: "12px system-ui, sans-serif", grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const logarithmic = this.view().logarithmic && !this.drawn.stepped;
    return {
      width: this.box.clientWidth,
      height: this.height(),
      ms: 1,
      tzDate: (t) => window.uPlot.tzDate(new Date(t), zone()),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { show: false }, sync: { key: "patient" } },
      scales: {
        x: { time: true, range: () => this.timeRange() },
        y: logarithmic ? { distr: 3, range: (u, low, high) => this.logRange(low, high) } : { range: (u, low, high) => [0, this.top(high)] },
      },
      axes: [
        { ...axis, values: dates, space: 70, gap: 4, size: (u, values) => (values?.some((shown) => shown?.includes("\n")) ? 38 : 24) },
        { ...axis, size: 52, values: (u, splits) => splits.map((v) => (v === null ? null : number(v))) },
      ],
      series: this.drawn.stepped ? this.steppedSeries() : this.bandSeries(),
      bands: this.drawn.stepped ? [] : this.bands(),
      hooks: { drawClear: [(u) => this.limits(u)], draw: [(u) => this.marks(u)], setCursor: [() => this.tell()] },
    };
  }

  bandSeries() {
    const edge = (label) => ({ label, stroke: "transparent", width: 0, points: { show: false }, spanGaps: false });
    const past = LEVELS.map(edge);
    const ahead = LEVELS.map((label) => edge(`${label}-ahead`));
    past[2] = { ...past[2], stroke: colour("band"), width: 2 };
    ahead[2] = { ...ahead[2], stroke: colour("band"), width: 2, dash: [6, 4] };
    const measured = {
      label: "measured",
      stroke: colour("ink"),
      width: 0,
      paths: () => null,
      points: { show: true, size: 8, width: 2, stroke: colour("ink"), fill: colour("dot") },
    };
    const soFar = { label: "so-far", stroke: colour("ink"), width: 1.5, points: { show: false } };
    return [{}, ...past, ...ahead, measured, soFar];
  }

  bands() {
    return [
      { series: [5, 1], fill: colour("band-wide") },
      { series: [4, 2], fill: colour("band-narrow") },
      { series: [10, 6], fill: colour("ahead-wide") },
      { series: [9, 7], fill: colour("ahead-narrow") },
    ];
  }

  steppedSeries() {
    const strokes = [colour("band"), colour("second"), colour("third")];
    const isPlan = (i) => i >= this.drawn.planned;
    return [{}, ...this.drawn.names.map((label, i) => ({
      label, stroke: isPlan(i) ? colour("ink") : strokes[i % 3], width: isPlan(i) ? 1.5 : 2, fill: i === 0 ? colour("band-wide") : undefined, dash: isPlan(i) ? [2, 4] : i === 0 ? undefined : [4, 3],
      paths: window.uPlot.paths.stepped({ align: 1 }), points: { show: false },
    }))];
  }

  timeRange() {
    const { now, past, ahead } = this.view();
    return [now - past, now + ahead];
  }

  top(high) {
    const limit = Math.max(0, ...this.drawn.limits.map((limit) => limit.high ?? limit.low));
    return Math.max(high ?? 0, limit, this.drawn.least) * 1.1;
  }

  logRange(low, high) {
    const ceiling = this.top(high);
    const limit = Math.min(ceiling, ...this.drawn.limits.map((limit) => limit.low));
    return [Math.max(ceiling / 1e4, Math.min(low ?? limit, limit) * 0.7), ceiling * 1.3];
  }

  /** Target windows and floors, behind everything. */
  limits(u) {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.strokeStyle = colour("target-line");
    ctx.fillStyle = colour("target");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const { low, high } of this.drawn.limits) {
      const y = (value) => u.valToPos(value, "y", true);
      if (high !== undefined) ctx.fillRect(left, y(high), width, y(low) - y(high));
      for (const edge of high === undefined ? [low] : [low, high]) {
        ctx.beginPath();
        ctx.moveTo(left, y(edge));
        ctx.lineTo(left + width, y(edge));
        ctx.stroke();
      }
    }
    ctx.restore();
  }

  /** The now-line, labels of the limits, and a triangle where an alert began. */
  marks(u) {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const scale = devicePixelRatio;
    ctx.save();
    ctx.font = `${11 * scale}px system-ui, sans-serif`;
    ctx.fillStyle = colour("target-ink");
    ctx.textAlign = "right";
    ctx.textBaseline = "alphabetic";
    for (const { low, high, label } of this.drawn.limits)
      ctx.fillText(label, left + width - 6 * scale, u.valToPos(high ?? low, "y", true) + (high === undefined ? -4 : 13) * scale);
    const now = Math.round(u.valToPos(this.view().now, "x", true));
    ctx.strokeStyle = colour("ink-soft");
    ctx.lineWidth = scale;
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(now, top);
    ctx.lineTo(now, top + height);
    ctx.stroke();
    for (const { t, severity } of this.drawn.marks) {
      const x = u.valToPos(t, "x", true);
      if (x < left || x > left + width) continue;
      ctx.fillStyle = colour(severity);
      ctx.beginPath();
      ctx.moveTo(x, top + 10 * scale);
      ctx.lineTo(x - 6 * scale, top);
      ctx.lineTo(x + 6 * scale, top);
      ctx.fill();
    }
    ctx.restore();
  }

  /** The values under the cursor, or the summary of now. */
  tell() {
    const at = this.plot?.cursor.idx;
    write(this.readout, at === null || at === undefined ? this.drawn.summary : this.valuesAt(at));
  }

  valuesAt(at) {
    const [times, ...lines] = this.drawn.columns;
    const parts = [clock(times[at])];
    if (this.drawn.stepped) {
      const last = (line) => line.slice(0, at + 1).findLast((v) => v !== null && v !== undefined);
      this.drawn.names.forEach((name, i) => parts.push(`${name} ${number(last(lines[i]))} ${unit(this.drawn.unit)}`));
      return parts.join(" · ");
    }
    const given = (value) => value !== null && value !== undefined;
    const from = given(lines[2][at]) ? 0 : given(lines[7][at]) ? 5 : null;
    if (from !== null)
      parts.push(text(from === 5 ? "charts.forecast_is" : "charts.is", { band: `${number(lines[from + 2][at])} (${number(lines[from][at])}–${number(lines[from + 4][at])}) ${unit(this.drawn.unit)}` }));
    if (given(lines[10][at])) parts.push(text("charts.measured_is", { value: number(lines[10][at]) }));
    if (given(lines[11][at])) parts.push(text("charts.so_far_is", { value: number(lines[11][at]) }));
    return parts.join(" · ");
  }
}
