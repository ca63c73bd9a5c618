// How numbers, times and names are written, everywhere on the page.

import { zone as chosenZone } from "./preferences.js";
import { locale, text, textOr } from "./text.js";

const DAY = 86_400_000;
const NB = "\u00a0"; // keeps a figure and its unit on one line
const HOUR = 3_600_000;

/** What writes numbers, made once for each way: to make one takes a hundred times as long as to use it. */
const WRITERS = new Map();

function writer(least, most, grouped) {
  const way = `${least} ${most} ${grouped}`;
  if (!WRITERS.has(way)) WRITERS.set(way, new Intl.NumberFormat(locale, { minimumFractionDigits: least, maximumFractionDigits: most, useGrouping: grouped }));
  return WRITERS.get(way);
}

const TINY = new Intl.NumberFormat(locale, { notation: "scientific", maximumFractionDigits: 1 });

/** Three significant digits without exponent, e.g. 0.0123, 1.23, 123, 12,300. */
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  return magnitude < -4 ? TINY.format(value) : writer(0, Math.max(0, 2 - magnitude), value >= 1e4).format(value);
}

/** A number with so many digits after its point. */
export const decimals = (value, digits) => writer(digits, digits, true).format(value);

/** "1.23 (0.9–1.6)": median with its 5-95 % range. */
export function range(band) {
  return band ? `${number(band[2])} (${number(band[0])}–${number(band[4])})` : "–";
}

/** Concentrations are read in the unit that keeps them near one: factor and unit for a value given in `ucum`. */
function scaled(value, ucum) {
  return ucum.startsWith("mg/L") && Math.abs(value) < 0.1 ? [1000, ucum.replace("mg", "ug")] : [1, ucum];
}

/** The smallest figure written as such; a drug that has been washed out has no digits worth reading. */
const NEGLIGIBLE = 0.01;

/** A band as {value: "1.23 mg/L", range: "0.9–1.6"} for people. */
export function quantity(band, ucum) {
  const [factor, scaledUnit] = scaled(band[2], ucum);
  if (factor !== 1 && band[2] * factor < NEGLIGIBLE) return { value: `<${number(NEGLIGIBLE)}${NB}${unit(scaledUnit)}`, range: "" };
  return { value: `${number(band[2] * factor)}${NB}${unit(scaledUnit)}`, range: `${number(band[0] * factor)}–${number(band[4] * factor)}` };
}

/** One value with its unit. */
export const amount = (value, ucum) => (value === null ? "–" : quantity([value, value, value, value, value], ucum).value);

/** A probability in whole per cent; never 0 or 100, which a particle cloud cannot know. */
export function percent(p) {
  if (p === null || p === undefined) return "–";
  if (p < 0.005) return `<1${NB}%`;
  if (p > 0.995) return `>99${NB}%`;
  return `${Math.round(p * 100)}${NB}%`;
}

/** A UCUM unit as people write it. */
export function unit(ucum) {
  const powers = { 3: "×10³", 6: "×10⁶", 9: "×10⁹", 12: "×10¹²" };
  return ucum
    .replace(/10[*^](\d+)/, (all, exponent) => powers[exponent] ?? all)
    .replaceAll(/u(?=g|mol|L)/g, "µ")
    .replaceAll("[degF]", "°F")
    .replaceAll("Cel", "°C")
    .replaceAll("mm[Hg]", "mmHg")
    .replaceAll(/(?<=[a-z])\./gi, "·")
    .replaceAll("m2", "m²");
}

/** A name of the model for people: "docetaxel_auc" is "docetaxel AUC"; a whole name or its words as the message file has them. */
export const words = (name) =>
  textOr(`name.${name}`, name.split("_").map((part) => textOr(`name.${part}`, part)).join(" "));

const WHAT_IF = /^(stop|slow|extend|skip|delay|scale|give)\b/;

/** A what-if or a way on in words: its verb in the language of the page, the rest as it is asked. */
export const whatIf = (asked) => textOr(`way.${asked}`, words(asked.replace(WHAT_IF, (verb) => text(`what_if.${verb}`))));

/** A toxicity with its grade in words: "neutropenia_g4" is "neutropenia grade 4". */
export const grade = (toxicity) => words(toxicity).replace(/ g(\d)$/, (all, number) => ` ${text("odds.grade", { grade: number })}`);

/** What an alert says and of what: "Over-infusion: docetaxel"; a rule about the model or the patient needs no more. */
export const alertName = ({ rule, title, subject }) => {
  const named = textOr(`rule.${rule}.title`, title);
  return ["model", "patient"].includes(subject.kind) ? named : `${named}: ${words(subject.name)}`;
};

const CLOCK = new Intl.DateTimeFormat(locale, { timeZone: chosenZone, day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const DAYS = new Intl.DateTimeFormat(locale, { timeZone: chosenZone, day: "numeric", month: "short" });

/** "2 Mar 2026, 08:00" in the reader's time zone. */
export const clock = (millis) => (millis === null ? "–" : CLOCK.format(millis).replaceAll(" ", NB));

/** The reader's time zone, e.g. "Europe/Berlin". */
export const zone = () => chosenZone;

/** "2 Mar". */
export const day = (millis) => DAYS.format(millis).replaceAll(" ", NB);

/** A length of time in its two-digit unit: "45 s", "12 min", "7 h", "3.4 d". */
export function span(millis) {
  const size = Math.abs(millis);
  if (size < 60_000) return `${Math.round(size / 1000)}${NB}s`;
  if (size < HOUR) return `${Math.round(size / 60_000)}${NB}min`;
  if (size < 2 * DAY) return `${Math.round(size / HOUR)}${NB}h`;
  return `${writer(0, size < 10 * DAY ? 1 : 0, true).format(size / DAY)}${NB}d`;
}

/** Whether a time lies ahead of or behind `now`: "in 3.1 d", "2 h ago". */
export const relative = (millis, now) =>
  Math.abs(millis - now) < 60_000 ? text("time.just_now") : text(millis > now ? "time.ahead" : "time.ago", { span: span(millis - now) });
