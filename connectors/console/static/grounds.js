// On what an alert rests: what was compared with what, what decided it, and how old the data were.

import { amount, clock, number, percent, span, unit, words } from "./format.js";
import { make, show } from "./dom.js";

const HOUR = 3_600_000;

/** A list of facts that is folded away; it stays the same element, so that it stays open. */
export class Grounds {
  constructor(id) {
    this.id = id;
    this.facts = make("dl");
    this.element = make("details", { className: "grounds" }, make("summary", { text: "What it rests on" }), this.facts);
  }

  draw(grounds) {
    show(this.element, Boolean(grounds));
    if (!grounds) return;
    const facts = [
      ["judged", clock(grounds.judged)],
      [grounds.probable ? "probability" : "level", level(grounds)],
      ["threshold", threshold(grounds)],
      ["why so", grounds.bounds?.reason || null],
      ["watched", watched(grounds.watched)],
      ["decided by", grounds.decided.map(decided).join("; ") || null],
      ["newest data", fresh(grounds.fresh)],
      ["model, rules", `${grounds.model}, ${grounds.rules ?? "unknown"}`],
      ["explain", `dosetwin explain ${this.id}`],
    ];
    this.facts.replaceChildren(...facts.filter(([, text]) => text !== null).map(([name, text]) =>
      make("div", {}, make("dt", { text: name }), make("dd", { text, className: name === "explain" ? "typed" : "" }))));
  }
}

function level({ level: found, error, probable }) {
  if (found === null) return null;
  return probable ? `${percent(found)} ± ${number(error * 100)} % by chance` : number(found);
}

function threshold({ bounds, probable }) {
  if (bounds === null) return null;
  const value = (x) => (probable ? percent(x) : `${number(x)} ${bounds.unit === "1" ? "" : unit(bounds.unit)}`.trim());
  const margin = probable && bounds.margin > 0 ? ` by ${number(bounds.margin * 100)} %` : "";
  return `raised above ${value(bounds.raise_above)}${margin}, cleared below ${value(bounds.clear_below)}`;
}

function watched(found) {
  if (found === null) return null;
  const { quantity, unit: ucum, side, limit, value, band } = found;
  return [
    quantity,
    value === null ? null : amount(value, ucum),
    band === null ? null : `${amount(band[1], ucum)} (${number(band[0])}–${number(band[2])})`,
    limit === null ? null : `limit ${amount(limit, ucum)}${side === null ? "" : side === "above" ? ", not above" : ", not below"}`,
  ].filter(Boolean).join(" · ");
}

const decided = ({ kind, of, time, id }) => `${words(kind)} of ${words(of)}, ${clock(time)}${id === null ? "" : ` (${id})`}`;

function fresh(ages) {
  const told = Object.entries(ages).map(([source, hours]) => `${source} ${source === "laboratory" ? "" : "at most "}${span(hours * HOUR)} old`);
  return told.join(", ") || null;
}
