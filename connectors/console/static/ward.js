// The ward: one line a patient, the most urgent first.

import { alertName, amount, clock, day, number, percent, quantity, relative, span, unit, words, zone } from "./format.js";
import { $, intervalBar, make, severityMark, show, write } from "./dom.js";
import { AS_TOLD, text } from "./text.js";

/** Twins of most models speak hourly, each at a minute of its own: a quarter more than that is late (ms). */
const BEHIND = 75 * 60_000;

/** Largest urgency first; the patient's id settles what is equal, so that rows only move for a reason. */
export function byUrgency(a, b) {
  for (let i = 0; i < a.urgency.length; i++) if (a.urgency[i] !== b.urgency[i]) return b.urgency[i] - a.urgency[i];
  return a.id.localeCompare(b.id, "en", { numeric: true });
}

const small = (said) => make("small", { text: said });

function lines(...parts) {
  const cell = document.createDocumentFragment();
  for (const part of parts) if (part !== null) cell.append(typeof part === "string" ? make("span", { className: "line", text: part }) : part);
  return cell;
}

function alerts(row) {
  if (row.alerts.length === 0) return lines(small(text("ward.no_alert")));
  return lines(
    ...row.alerts.map((card) => {
      const step = card.steps.at(-1);
      const p = step.probability === null ? "" : ` ${percent(step.probability)}`;
      return make("span", { className: `chip ${step.severity}`, attributes: { title: step.text } }, severityMark(step.severity), `${alertName(card)}${p}`);
    }),
  );
}

/** What runs now, the main drug always; of a drug that does not run, what has been given of it. Each with its plan. */
function delivered(row) {
  if (row.rates.length === 0) return lines(small("–"));
  return lines(
    ...row.rates.flatMap((rate, i) => [
      rate.rate > 0 || i === 0 ? `${number(rate.rate)} ${unit(rate.rate_unit)}` : null,
      small(rate.delivered === null ? words(rate.drug) : text("ward.in_all", { drug: words(rate.drug), amount: `${number(rate.delivered)} ${unit(rate.delivered_unit)}` })),
      rate.plan ? make("strong", { className: "plan", text: text(`plan.marked_${rate.plan}`) }) : null,
    ]),
  );
}

function level(row, name) {
  const found = row.levels.find((each) => each.name === name);
  if (!found) return lines(small("–"));
  const { value, range } = quantity(found.band, found.unit);
  return lines(value, range ? small(range) : null);
}

/** The expected exposure, or what there is so far, as a bar over its target window, with half as much on either side. */
export function targetBar(target) {
  const [low, high] = [target.low ?? 0, target.high ?? target.low * 3];
  const [from, to] = [low / 2, high * 1.5];
  const band = target.at_end ?? target.so_far;
  const place = (value) => (value - from) / (to - from);
  const box = make("span", { className: "gauge", attributes: { "aria-hidden": "true" } });
  box.append(...intervalBar("window", place(low), -1, place(high)).slice(0, 1));
  box.append(...intervalBar("now", place(band[0]), place(band[2]), place(band[4])));
  return box;
}

/** The target window in words; one of its limits may be missing. */
export function windowWords({ low, high }) {
  if (low === null) return text("target.at_most", { high: number(high) });
  return high === null ? text("target.at_least", { low: number(low) }) : `${number(low)}–${number(high)}`;
}

export function targetWords(target) {
  const [below, above] = [target.p_below ?? 0, target.p_above ?? 0];
  const limits = windowWords(target);
  if (above >= 0.05 && above >= below) return text("target.above", { p: percent(above), limits });
  if (below >= 0.05) return text("target.below", { p: percent(below), limits });
  return text(target.at_end === null ? "target.nothing_planned" : "target.within", { limits });
}

function exposure(row) {
  if (row.targets.length === 0) return lines(small(text("ward.no_target")));
  return lines(...row.targets.flatMap((target) => [`${number((target.at_end ?? target.so_far)[2])} ${unit(target.unit)}`, targetBar(target), small(targetWords(target))]));
}

function grade4(row) {
  if (!row.nadir) return lines(small("–"));
  const box = make("span", { className: "gauge plain", attributes: { "aria-hidden": "true" } });
  box.append(intervalBar("risk", 0, -1, row.nadir.p_grade4)[0]);
  return lines(percent(row.nadir.p_grade4), box);
}

function nadir(row) {
  if (!row.nadir || row.time === null) return lines(small("–"));
  const [early, middle, late] = row.nadir.times;
  return lines(`${number(row.nadir.value[2])} ${relative(middle, row.time)}`, small(`${number(row.nadir.value[0])}–${number(row.nadir.value[4])}, ${day(early)}–${day(late)}`));
}

function lastMeasured(row) {
  if (!row.measured) return lines(small(text("ward.nothing_yet")));
  const ago = row.time === null ? clock(row.measured.t) : relative(row.measured.t, row.time);
  return lines(amount(row.measured.observed, row.measured.unit), small(`${words(row.measured.output)}, ${ago}`));
}

function twinAt(row, wardClock) {
  if (row.time === null) return lines(small("–"));
  const behind = wardClock - row.time;
  return lines(clock(row.time), behind > BEHIND ? small(text("ward.behind", { span: span(behind) })) : null);
}

const COLUMNS = [
  ["alerts", alerts],
  ["rate", delivered],
  ["concentration", (row) => level(row, row.concentration)],
  ["exposure", exposure],
  ["count", (row) => level(row, row.count)],
  ["grade4", grade4],
  ["nadir", nadir],
  ["measured", lastMeasured],
  ["twin_at", twinAt],
];

export class Ward {
  constructor() {
    this.rows = new Map();
    this.drawn = new Map();
    this.clock = null;
    this.letters = [];
  }

  /** Take in a ward frame; returns the patients that it tells of. */
  take(frame) {
    if (frame.since === 0) {
      const known = new Set(frame.rows.map((row) => row.id));
      for (const [id, element] of this.drawn)
        if (!known.has(id)) {
          element.remove();
          this.drawn.delete(id);
        }
      this.rows.clear();
    }
    for (const row of frame.rows) this.rows.set(row.id, row);
    this.clock = frame.clock;
    for (const row of frame.rows) this.draw(row);
    this.order();
    this.summary();
    if (frame.refused !== null) this.refused(frame.refused, frame.refused_more);
  }

  draw(row) {
    let line = this.drawn.get(row.id);
    if (!line) {
      const link = make("a", { className: "open", text: row.id, attributes: { href: `#patient/${row.id}` } });
      // On a phone rows are cards: their roles keep them a table to those who listen.
      line = make("tr", { attributes: { "data-patient": row.id, role: "row" } }, make("th", { attributes: { scope: "row", role: "rowheader" } }, link, make("small")));
      for (const [column] of COLUMNS) line.append(make("td", { attributes: { "data-column": column, "data-label": text(`ward.${column}`), role: "cell" } }));
      line.addEventListener("click", (event) => {
        if (!event.target.closest("a") && getSelection().isCollapsed) link.click();
      });
      this.drawn.set(row.id, line);
    }
    line.className = row.alerts.length === 0 ? "" : row.alerts[0].steps.at(-1).severity;
    write(line.querySelector("th small"), row.model ? words(row.model) : text("ward.no_estimate"));
    COLUMNS.forEach(([, cell], i) => line.cells[i + 1].replaceChildren(cell(row, this.clock)));
  }

  order() {
    const body = $("ward-rows");
    const focused = document.activeElement;
    const wanted = [...this.rows.values()].sort(byUrgency).map((row) => this.drawn.get(row.id));
    wanted.forEach((line, i) => {
      if (body.children[i] !== line) body.insertBefore(line, body.children[i] ?? null);
    });
    if (focused && focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
    show($("ward-table"), wanted.length > 0);
    show($("ward-empty"), wanted.length === 0);
  }

  summary() {
    const rows = [...this.rows.values()];
    const alarmed = rows.filter((row) => row.alerts.length > 0).length;
    const high = rows.filter((row) => row.urgency[0] === 3).length;
    write(
      $("ward-summary"),
      rows.length === 0 ? "" : text("ward.summary", { patients: rows.length, alarmed, high, time: clock(this.clock), zone: zone() }),
    );
  }

  refused(letters, more) {
    this.letters = letters;
    show($("refused"), letters.length > 0);
    write($("refused-summary"), text(more ? "ward.refused_more" : "ward.refused", { n: letters.length }));
    $("refused-list").replaceChildren(
      ...letters.map((letter) => make("li", {}, make("strong", { text: letter.reason, attributes: { lang: AS_TOLD } }), ` ${letter.patient_id ?? text("ward.unknown_patient")}: `,
        make("span", { text: letter.detail, attributes: { lang: AS_TOLD } }),
        small(` ${letter.offset === null ? (letter.topic ?? "") : text("ward.place", letter)}`))),
    );
  }
}
