// One patient: facts, alerts, charts, parameters, measured values.

import { AdvicePart } from "./advice.js";
import { Alerts } from "./alerts.js";
import { Chart, columns } from "./charts.js";
import { amount, clock, day, grade, number, percent, quantity, range, relative, span, unit, words, zone } from "./format.js";
import { $, make, show, write } from "./dom.js";
import { drawHealth } from "./health.js";
import { ModelCard, drawParameters } from "./parameters.js";
import { text } from "./text.js";
import { classShares, targetWords, windowWords } from "./cells.js";
import { patient as inUnits } from "./units.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const SPANS = [
  ["24 h", DAY],
  ["3 d", 3 * DAY],
  ["10 d", 10 * DAY],
  ["30 d", 30 * DAY],
  ["all", Infinity],
];

const spanWords = (name) => (name === "all" ? text("charts.all") : name);

/** Which kinds of subject are marked on a chart whoever they are: what is delivered and which devices are silent. */
const MARKED = { level: ["drug", "device"], count: ["device"], exposure: [], delivery: [] };

export class Patient {
  constructor(id, rights) {
    this.id = id;
    this.rights = rights;
    this.points = new Map();
    this.measured = new Map();
    this.forecast = null;
    this.alerts = [];
    this.advice = [];
    this.charts = new Map();
    this.span = null;
    this.logarithmic = $("log-scale").checked;
    this.list = new Alerts();
    this.advised = new AdvicePart(id);
    this.card = new ModelCard();
    this.controls();
    write($("patient-title"), id);
    $("export").href = `api/patients/${encodeURIComponent(id)}/csv?zone=${encodeURIComponent(zone())}`;
    write($("patient-summary"), "");
    $("charts").replaceChildren();
    show($("patient-body"), false);
    this.drawBoards();
    this.absent(text("patient.waiting", { id }));
  }

  close() {
    for (const chart of this.charts.values()) chart.remove();
    this.charts.clear();
  }

  absent(said) {
    write($("patient-absent"), said);
    show($("patient-absent"), true);
  }

  /** A link to the patient's board in Grafana, where it is known where that is: of the patient the pseudonym alone. */
  drawBoards() {
    const { boards } = this.rights();
    const link = $("patient-boards");
    show(link, boards !== null);
    if (boards) link.href = `${boards}/d/dosetwin-patient?var-patient=${encodeURIComponent(this.id)}`;
  }

  controls() {
    $("spans").querySelectorAll("label").forEach((label) => label.remove());
    for (const [name, length] of SPANS) {
      const radio = make("input", { attributes: { type: "radio", name: "span", value: name } });
      radio.addEventListener("change", () => {
        this.span = length;
        this.rebuild();
      });
      $("spans").append(make("label", {}, radio, spanWords(name)));
    }
    $("log-scale").onchange = () => {
      this.logarithmic = $("log-scale").checked;
      this.drawCharts();
      this.rebuild();
    };
  }

  /** Draw anew; `printing`: smaller, and as fine as paper is. */
  rebuild(printing = false) {
    this.printing = printing;
    for (const chart of this.charts.values()) chart.rebuild();
  }

  /** Take in a patient frame: all of it, or what changed. */
  take(said) {
    const frame = inUnits(said);
    if (frame.since === 0) {
      this.points.clear();
      this.measured.clear();
      this.forecast = null;
    }
    for (const point of frame.points) this.points.set(point.t, point);
    for (const value of frame.measured) this.measured.set(`${value.t} ${value.output}`, value);
    this.points = newest(this.points, frame.points_kept, (point) => point.t);
    this.measured = newest(this.measured, frame.measured_kept, (value) => value.t);
    if (frame.forecast !== null) this.forecast = frame.forecast;
    if (frame.alerts !== null) this.alerts = frame.alerts;
    if (frame.advice !== null) this.advice = frame.advice;
    this.row = frame.row;
    this.floors = frame.floors;
    this.parameters = frame.parameters;
    if (frame.calibration !== null) this.calibration = frame.calibration;
    this.draw();
  }

  get now() {
    return this.row.time ?? [...this.points.keys()].at(-1) ?? this.forecast?.t ?? 0;
  }

  draw() {
    show($("patient-absent"), false);
    show($("patient-body"), true);
    write($("patient-summary"), [this.row.model && words(this.row.model), this.row.time !== null && text("patient.twin_at", { time: clock(this.row.time), zone: zone() })].filter(Boolean).join(" · "));
    this.drawFacts();
    this.drawAlerts();
    this.drawAdvice();
    this.chooseSpan();
    this.drawCharts();
    drawParameters(this.parameters);
    this.card.draw(this.row.model);
    drawHealth(this.calibration);
    this.drawMeasured();
  }

  /** A first span that suits the twin's cadence: hours for infusions, everything for records of days. */
  chooseSpan() {
    if (this.span === null && this.points.size > 0) {
      const times = [...this.points.keys()];
      const gap = (times.at(-1) - times[0]) / Math.max(1, times.length - 1);
      this.span = gap > 12 * HOUR ? Infinity : 10 * DAY;
    }
    const chosen = SPANS.find(([, length]) => length === this.span)?.[0];
    for (const radio of $("spans").querySelectorAll("input")) radio.checked = radio.value === chosen;
  }

  view() {
    const times = [...this.points.keys()];
    const start = times.length > 0 ? times[0] : this.now - DAY;
    const end = this.forecast?.times.at(-1) ?? this.now;
    const past = Math.min(this.span ?? Infinity, Math.max(this.now - start, HOUR) * 1.02);
    return { now: this.now, past, ahead: Math.max(Math.min(this.span ?? Infinity, end - this.now), past / 20), logarithmic: this.logarithmic, printing: this.printing };
  }

  drawFacts() {
    const { row } = this;
    const facts = row.rates.map((rate) => [text("facts.delivered", { drug: words(rate.drug) }), `${number(rate.rate)} ${unit(rate.rate_unit)}`,
      [rate.delivered === null ? "" : text(rate.planned === null ? "facts.in_all" : "facts.of_planned", { amount: `${number(rate.delivered)} ${unit(rate.delivered_unit)}`, planned: number(rate.planned) }), rate.plan ? text(`plan.${rate.plan}`) : ""].filter(Boolean).join(", ")]);
    for (const { drug, time, amount: planned, unit: ucum, hours } of row.due)
      facts.push([text("facts.due", { drug: words(drug) }), `${number(planned)} ${unit(ucum)}`, [relative(time, this.now), clock(time), hours === null ? "" : span(hours * HOUR)].filter(Boolean).join(", ")]);
    for (const level of row.levels) {
      const now = quantity(level.band, level.unit);
      facts.push([text("facts.now", { name: words(level.name) }), now.value, now.range]);
    }
    for (const target of row.targets) {
      if (target.at_end === null) facts.push([text("facts.at_end", { name: words(target.name) }), "–", targetWords(target)]);
      else facts.push([text("facts.at_end", { name: words(target.name) }), `${number(target.at_end[2])} ${unit(target.unit)}`, `${number(target.at_end[0])}–${number(target.at_end[4])}, ${targetWords(target)}`]);
      facts.push([text("facts.so_far", { name: words(target.name) }), `${number(target.so_far[2])} ${unit(target.unit)}`, `${number(target.so_far[0])}–${number(target.so_far[4])}`]);
    }
    if (row.nadir) {
      const [early, middle, late] = row.nadir.times;
      facts.push([text("ward.grade4"), percent(row.nadir.p_grade4), text("facts.of_ahead", { name: words(row.nadir.output) })]);
      facts.push([text("ward.nadir"), `${number(row.nadir.value[2])} ${unit(row.nadir.unit)}`,
        `${relative(middle, this.now)}, ${number(row.nadir.value[0])}–${number(row.nadir.value[4])}, ${day(early)}–${day(late)}`]);
    }
    facts.push([text("facts.measured"), number(row.observations), row.ess === null ? "" : text("facts.ess", { n: Math.round(row.ess) })]);
    for (const note of row.notes) facts.push([text("facts.counted_once"), "", note]);
    const cards = facts.map(([name, value, more]) =>
      make("div", {}, make("dt", { text: name }), make("dd", {}, make("strong", { text: value }), make("small", { text: more }))));
    if (row.classes?.length > 0) cards.push(make("div", {}, make("dt", { text: text("facts.class") }), make("dd", {}, classShares(row.classes))));
    $("facts").replaceChildren(...cards);
  }

  drawAlerts() {
    if (this.row) this.list.draw(this.alerts, this.now, this.rights());
  }

  drawAdvice() {
    if (this.row) this.advised.draw(this.advice, this.now, this.since(), this.row, this.rights());
  }

  /** What came after a time: values that were measured, and by drug whether it was given. */
  since() {
    const seen = [...this.measured.values()].map((value) => value.t);
    const given = [...this.points.values()].flatMap((point) => Object.entries(point.r).filter(([, rate]) => rate > 0).map(([drug]) => [point.t, drug]));
    return {
      measured: (t) => seen.filter((each) => each > t).length,
      given: (t, drug) => given.some(([each, of]) => each > t && of === drug),
    };
  }

  /** Charts in reading order: concentrations, counts, exposure, delivery. */
  drawCharts() {
    if (!this.row) return;
    const counts = (level) => (level.name === this.row.count || /^(10\*|\/uL)/.test(level.unit) ? 1 : 0);
    const levels = [...this.row.levels].sort((a, b) => counts(a) - counts(b));
    const points = [...this.points.values()];
    for (const level of levels) this.chart(`level:${level.name}`, this.levelChart(level, points, counts(level) ? "count" : "level"));
    for (const target of this.row.targets) this.chart(`exposure:${target.name}`, this.exposureChart(target, points));
    if (this.row.rates.length > 0) this.chart("delivery", this.deliveryChart(points));
  }

  chart(name, drawn) {
    if (!this.charts.has(name)) this.charts.set(name, new Chart($("charts"), name, drawn.title, () => this.view()));
    this.charts.get(name).draw(drawn);
  }

  /** The alerts about what a chart shows, a subject of each of `shown`, and those that belong to its kind. */
  marks(kind, ...shown) {
    const about = ({ subject }) => MARKED[kind].includes(subject.kind) || shown.some((own) => own.kind === subject.kind && own.name === subject.name);
    return this.alerts.filter(about).map((card) => ({ t: card.onset, severity: card.active ? card.steps.at(-1).severity : "ink-soft" }));
  }

  levelChart(level, points, kind) {
    const past = points.filter((point) => point.o[level.name]).map((point) => [point.t, point.o[level.name]]);
    const seen = [...this.measured.values()].filter((value) => value.output === level.name).map((value) => [value.t, value.observed]);
    const floors = this.floors.filter((floor) => floor.output === level.name);
    const now = quantity(level.band, level.unit);
    return {
      columns: columns(past, this.ahead(level.name, past), seen, this.logarithmic),
      title: `${words(level.name)}, ${unit(level.unit)}`,
      unit: level.unit,
      limits: floors.map((floor) => ({ low: floor.below, label: text(`charts.floor_${floor.side}`, { toxicity: grade(floor.toxicity), limit: number(floor.below) }) })),
      marks: this.marks(kind, { kind: "output", name: level.name }),
      stepped: false,
      least: 0.001,
      summary: text("charts.summary", { value: `${now.value}${now.range && ` (${now.range})`}` }),
    };
  }

  /** The forecast from now on, joined to the last estimate so that band and line do not break at the now-line. */
  ahead(name, past) {
    const rows = this.forecast?.o[name];
    if (!rows) return [];
    const part = this.forecast.times.map((t, i) => [t, rows.map((row) => row[i])]).filter(([t]) => t > this.now);
    return past.length > 0 ? [past.at(-1), ...part] : part;
  }

  exposureChart(target, points) {
    // Where nothing is said of the end, the band is what there is so far.
    const band = ([so, ...end]) => (end.length > 0 ? end : [so, so, so, so, so]);
    const past = points.filter((point) => point.e[target.name]).map((point) => [point.t, band(point.e[target.name]), point.e[target.name][0]]);
    return {
      columns: columns(past, [], [], this.logarithmic),
      title: text("charts.exposure", { name: words(target.name), unit: unit(target.unit) }),
      unit: target.unit,
      limits: [{ low: target.low ?? target.high / 100, high: target.high ?? undefined, label: text("charts.target_is", { limits: windowWords(target) }) }],
      marks: this.marks("exposure", { kind: "target", name: target.name }),
      stepped: false,
      least: 0.001,
      summary: [target.at_end && text("charts.at_end_is", { band: range(target.at_end) }), targetWords(target), text("charts.so_far_is", { value: number(target.so_far[2]) })].filter(Boolean).join(" · "),
    };
  }

  deliveryChart(points) {
    const names = this.row.rates.map((rate) => rate.drug);
    const ratesUnit = this.row.rates[0].rate_unit;
    const planned = names.filter((drug) => points.some((point) => drug in point.p));
    const along = (kind, drugs) => drugs.map((drug) => points.map((point) => point[kind][drug] ?? null));
    return {
      columns: [points.map((point) => point.t), ...along("r", names), ...along("p", planned)],
      planned: names.length,
      title: text("charts.delivered", { unit: unit(ratesUnit) }),
      unit: ratesUnit,
      limits: [],
      marks: this.marks("delivery", ...names.map((name) => ({ kind: "drug", name }))),
      stepped: true,
      least: 1,
      names: [...names.map(words), ...planned.map((drug) => text("charts.planned", { drug: words(drug) }))],
      summary: this.row.rates.map((rate) => `${words(rate.drug)} ${number(rate.rate)}`).join(", "),
    };
  }

  drawMeasured() {
    const values = [...this.measured.values()].sort((a, b) => b.t - a.t).slice(0, 50);
    $("measured-rows").replaceChildren(...values.map((value) => make("tr", {}, make("th", { text: clock(value.t), attributes: { scope: "row" } }),
      make("td", { text: words(value.output) }), make("td", { text: amount(value.observed, value.unit) }),
      make("td", { text: expected(value), ...outside(value) }),
      make("td", { text: amount(value.population, value.unit) }))));
  }
}

const outside = ({ observed, q05, q95 }) =>
  observed < q05 || observed > q95 ? { className: "surprise", attributes: { "data-note": text("measured.outside") } } : {};

function expected({ median, q05, q95, unit: ucum }) {
  const { value, range: between } = quantity([Math.max(0, q05), median, median, median, q95], ucum);
  return between ? `${value} (${between})` : value;
}

/** The `kept` newest entries, in time order. */
function newest(entries, kept, time) {
  const ordered = [...entries].sort(([, a], [, b]) => time(a) - time(b));
  return new Map(ordered.slice(-kept));
}
