// Why an alert stands: what decided it, what was believed before and after, what was compared, how old the data were.

import { amount, clock, number, percent, span, unit, words } from "./format.js";
import { make, show } from "./dom.js";
import { story } from "./explain.js";
import { AS_TOLD, text, textOr } from "./text.js";
import { explanation } from "./units.js";

const HOUR = 3_600_000;
const EXPLAIN = "dosetwin explain";

/** What is typed at a terminal, and what a rule's file gives as its reason. */
const MANNER = { explain: { className: "typed", attributes: { lang: AS_TOLD } }, why_so: { attributes: { lang: AS_TOLD } } };

/**
 * What an alert rests on, folded away; it stays the same element, so that it stays open. What was believed before and
 * after is asked for when it is opened, and again when the alert has a newer word.
 */
export class Grounds {
  constructor(id) {
    this.id = id;
    this.story = make("div", { className: "story" });
    this.facts = make("dl");
    this.element = make("details", { className: "grounds" }, make("summary", { text: text("grounds.title") }), this.story, this.facts);
    this.element.addEventListener("toggle", () => this.load());
  }

  draw(grounds, revision) {
    show(this.element, Boolean(grounds));
    if (!grounds) return;
    this.revision = revision;
    this.load();
    const facts = [
      ["judged", clock(grounds.judged)],
      [grounds.probable ? "probability" : "level", level(grounds)],
      ["threshold", threshold(grounds)],
      ["why_so", grounds.bounds?.reason || null],
      ["watched", watched(grounds.watched)],
      ["decided_by", grounds.decided.map(decided).join("; ") || null],
      ["newest", fresh(grounds.fresh)],
      ["model_rules", `${grounds.model}, ${grounds.rules ?? text("grounds.unknown")}`],
      ["explain", `${EXPLAIN} ${this.id}`],
    ];
    this.facts.replaceChildren(...facts.filter(([, said]) => said !== null).map(([name, said]) =>
      make("div", {}, make("dt", { text: text(`grounds.${name}`) }), make("dd", { text: said, ...MANNER[name] }))));
  }

  async load() {
    if (!this.element.open || this.told === this.revision) return;
    this.told = this.revision;
    const answer = await fetch(`api/alerts/${encodeURIComponent(this.id)}`).catch(() => null);
    if (answer?.ok) this.tell(explanation(await answer.json()));
    else this.told = null;
  }

  /** Show an explanation, in the units of the page. */
  tell(found) {
    this.told = found.card.steps.at(-1).revision;
    this.story.replaceChildren(...story(found));
  }
}

function level({ level: found, error, probable }) {
  if (found === null) return null;
  return probable ? text("grounds.by_chance", { p: percent(found), error: number(error * 100) }) : number(found);
}

function threshold({ bounds, probable }) {
  if (bounds === null) return null;
  const value = (x) => (probable ? percent(x) : `${number(x)} ${bounds.unit === "1" ? "" : unit(bounds.unit)}`.trim());
  const between = { raise: value(bounds.raise_above), clear: value(bounds.clear_below), margin: number(bounds.margin * 100) };
  return text(probable && bounds.margin > 0 ? "grounds.raised_by" : "grounds.raised", between);
}

function watched(found) {
  if (found === null) return null;
  const { quantity, unit: ucum, side, limit, value, band } = found;
  return [
    quantity.split(", ").map((part) => textOr(`quantity.${part}`, words(part))).join(", "),
    value === null ? null : amount(value, ucum),
    band === null ? null : `${amount(band[1], ucum)} (${number(band[0])}–${number(band[2])})`,
    limit === null ? null : text("grounds.limit", { limit: amount(limit, ucum), side }),
  ].filter(Boolean).join(" · ");
}

const decided = ({ kind, of, time, id }) =>
  text("grounds.decided", { kind: textOr(`event.${kind}`, words(kind)), of: words(of), time: clock(time) }) + (id === null ? "" : ` (${id})`);

function fresh(ages) {
  const told = Object.entries(ages).map(([source, hours]) => text(`fresh.${source}`, { span: span(hours * HOUR) }));
  return told.join(", ") || null;
}
