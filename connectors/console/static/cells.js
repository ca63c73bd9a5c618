// What stands in a line of the ward, cell by cell.

import { alertName, amount, clock, day, number, percent, quantity, relative, span, unit, words } from "./format.js";
import { intervalBar, make, severityMark } from "./dom.js";
import { behind, troubles } from "./needs.js";
import { trendLine } from "./trend.js";
import { inWords } from "./said.js";
import { text } from "./text.js";

const small = (said) => make("small", { text: said });

function lines(...parts) {
  const cell = document.createDocumentFragment();
  for (const part of parts) if (part !== null) cell.append(typeof part === "string" ? make("span", { className: "line", text: part }) : part);
  return cell;
}

function alertChip(card) {
  const step = card.steps.at(-1);
  const p = step.probability === null ? "" : ` ${percent(step.probability)}`;
  const seen = step.state === "acknowledged" ? make("span", { className: "unseen", text: ` (${text("state.acknowledged")})` }) : null;
  return make("span", { className: `chip ${step.severity}${seen ? " seen" : ""}`, attributes: { title: inWords(step).text } }, severityMark(step.severity), `${alertName(card)}${p}`, seen);
}

const trouble = ({ severity, said, detail }) =>
  make("span", { className: `chip ${severity}`, attributes: detail ? { title: detail } : {} }, severityMark(severity), said);

/** What is wrong with the twin itself, then the worst alert, and how many more there are. */
function alerts(row, ward) {
  const wrong = troubles(row, ward).map(trouble);
  const more = row.alerts.length - 1;
  if (row.alerts.length === 0) return wrong.length > 0 ? lines(...wrong) : lines(small(text("ward.no_alert")));
  return lines(...wrong, alertChip(row.alerts[0]), more > 0 ? small(text("ward.more_alerts", { n: more })) : null);
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

/** The dose that begins next by the plan, and of which drug. */
function due(row, ward) {
  if (row.due.length === 0) return lines(small(text("ward.nothing_due")));
  const [next] = row.due;
  const late = ward.clock !== null && next.time < ward.clock;
  const given = `${number(next.amount)} ${unit(next.unit)} ${words(next.drug)}`;
  return lines(
    make("span", { className: late ? "line late" : "line", text: relative(next.time, ward.clock ?? next.time) }),
    small(next.hours === null ? given : text("ward.over", { given, span: span(next.hours * 3_600_000) })),
    small(clock(next.time).replaceAll("\u00a0", " ")),
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

/** How probable each class is that nobody sees, the likeliest first: name, percent and bar. */
export function classShares(classes) {
  return make("ul", { className: "classes" }, ...classes.map(([name, p]) => {
    const box = make("span", { className: "gauge plain", attributes: { "aria-hidden": "true" } });
    box.append(intervalBar("share", 0, -1, p)[0]);
    return make("li", {}, make("span", { text: words(name) }), make("span", { className: "p", text: percent(p) }), box);
  }));
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

const SOURCES = ["pump", "vitals", "labs", "orders"];

/** How old a word is: what came in the last quarter of a minute is of now. */
function heardAgo(millis, now) {
  const ago = now - millis;
  if (ago < 15_000) return text("source.now");
  return ago < 60_000 ? text("source.under_a_minute") : span(ago);
}

/** When each source was heard last, and when the twin was moved last. */
function sources(row, ward) {
  const heard = ward.heard.get(row.id) ?? {};
  const known = SOURCES.filter((name) => name in heard);
  const runs = row.rates.some((rate) => rate.rate > 0);
  const told = known.map((name) => {
    const late = ward.now() - heard[name] > LATE && (name === "vitals" || (name === "pump" && runs));
    return make("span", { className: late ? "line late" : "line", text: text("source.heard", { source: text(`source.${name}`), ago: heardAgo(heard[name], ward.now()) }) });
  });
  const twin = row.time === null ? null : text("ward.twin_of", { ago: relative(row.time, ward.clock) });
  const moved = twin && make("small", { className: behind(row, ward) ? "late" : "", text: twin, attributes: { title: clock(row.time) } });
  return lines(...(told.length > 0 ? told : [small(text("source.none"))]), moved);
}

/** Ms after which a source that should speak all the time is marked (assumed). */
const LATE = 5 * 60_000;

/** Whom the line is of: the model, and what of theirs was refused. */
export function whom(row, ward) {
  const refused = row.letter ? 0 : (ward.refusedOf.get(row.id)?.length ?? 0);
  return lines(small(row.model ? words(row.model) : text("ward.no_estimate")), refused > 0 ? make("small", { className: "late", text: text("ward.refused", { n: refused }) }) : null);
}

const count = (row) => lines(level(row, row.count), trendLine(row.trend));

export const COLUMNS = [
  ["alerts", alerts],
  ["rate", delivered],
  ["due", due],
  ["count", count],
  ["grade4", grade4],
  ["nadir", nadir],
  ["concentration", (row) => level(row, row.concentration)],
  ["exposure", exposure],
  ["measured", lastMeasured],
  ["sources", sources],
];
