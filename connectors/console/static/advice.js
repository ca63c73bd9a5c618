// What was advised for one patient: the odds of every way, what rules say beside it, and what was withheld.

import { clock, number, percent, relative, span, unit, words } from "./format.js";
import { Ask } from "./ask.js";
import { branchPlot, figure, oddsPlot, wayMark } from "./plots.js";
import { $, make, show, write } from "./dom.js";

const HOUR = 3_600_000;
const ABOUT = { request: "asked for", plan: "as a plan came", level: "as a value was measured" };

/** The newest advice of each drug in full, what came before it folded away, and the form to ask. */
export class AdvicePart {
  constructor(id) {
    this.drawn = "";
    this.opened = new Set();
    this.ask = new Ask(id);
    $("advised").replaceChildren();
    $("ask").replaceChildren(this.ask.element);
  }

  draw(cards, time, since, row, rights) {
    const now = Math.max(time, ...cards.map((card) => card.t));
    this.ask.draw(cards, row, rights);
    const standing = [...new Map([...cards].reverse().map((card) => [card.drug, card])).values()];
    const moved = standing.map((card) => movedSince(card, since, now));
    const drawn = JSON.stringify([cards, moved, Math.floor(now / 60_000)]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const none = make("p", { className: "soft", text: "Nothing was advised so far." });
    $("advised").replaceChildren(...(standing.length ? standing.map((card, i) => article(card, moved[i], now)) : [none]));
    const before = cards.filter((card) => !standing.includes(card));
    write($("advised-before-summary"), `${before.length} earlier ${before.length === 1 ? "answer" : "answers"}`);
    $("advised-before-list").replaceChildren(...before.map((card) => this.earlier(card, now)));
    show($("advised-before"), before.length > 0);
  }

  /** An earlier answer, folded away; one that was opened stays open. */
  earlier(card, now) {
    const told = make("summary", { text: `${clock(card.t)}, ${words(card.drug)}, ${ABOUT[card.about]}: ${summary(card)}` });
    const whole = make("details", {}, told, article(card, [], now));
    whole.open = this.opened.has(card.id);
    whole.addEventListener("toggle", () => this.opened[whole.open ? "add" : "delete"](card.id));
    return make("li", {}, whole);
  }
}

/** Why advice may be of yesterday: what the record has by now that it did not have then. */
function movedSince(card, since, now) {
  const values = since.measured(card.t);
  const first = card.ways.at(-1)?.doses[0];
  return [
    values > 0 ? `${values} ${values === 1 ? "value" : "values"} measured` : null,
    since.given(card.t, card.drug) ? `${words(card.drug)} given` : null,
    first && !first.running && first.t < now ? `its dose was due ${relative(first.t, now)}` : null,
  ].filter(Boolean);
}

const advised = (card) => card.ways.at(-1);

function summary(card) {
  if (card.outcome === "withdrawn") return "withdrawn, as the data that it rested on have changed";
  if (card.outcome === "none") return `no advice: ${card.reason}`;
  return `${dose(advised(card))} advised`;
}

/** "75 mg (75 % of the plan)", with its delay. */
function dose(way) {
  if (way.amount === 0) return "no dose";
  const later = way.delay > 0 ? `, ${span(way.delay * HOUR)} later` : "";
  return `${number(way.amount)} mg (${number(100 * way.of_plan)} % of the plan${later})`;
}

function article(card, moved, now) {
  const outcome = card.outcome === "advised" ? `${dose(advised(card))} is advised` : card.outcome === "none" ? "no dose is advised" : "withdrawn";
  const heading = make("h4", { text: `${words(card.drug)}${card.decision ? `, ${card.decision}` : ""}: ${outcome}` });
  const facts = [
    `as of ${clock(card.t)} (${relative(card.t, now)})`,
    ABOUT[card.about],
    card.protocol === null ? "by what is assumed where no protocol is" : `protocol ${card.protocol} ${card.protocol_hash ?? ""}`.trim(),
    `model ${words(card.model)}`,
    card.ess === null ? null : `effective sample size ${Math.round(card.ess)}`,
  ].filter(Boolean);
  const held = withheld(card);
  return make("article", { className: `advised ${card.outcome}`, attributes: { "data-outcome": card.outcome, "data-drug": card.drug } },
    heading,
    make("p", { text: card.reason }),
    card.note === null ? null : make("p", { text: card.note }),
    make("p", { className: "soft", text: facts.join(" · ") }),
    moved.length === 0 ? null : make("p", { className: "moved", text: `The record has moved since: ${moved.join(", ")}. Ask again before you decide.` }),
    card.ways.length === 0 ? null : odds(card),
    rules(card),
    card.sample === null ? null : make("p", { className: "sample" }, make("strong", { text: "Next sample: " }), sample(card.sample, now)),
    card.branches.length === 0 ? null : branches(card),
    held.length === 0 ? null : make("div", { className: "withheld" }, make("strong", { text: "Withheld, and why" }), make("ul", {}, ...held.map((text) => make("li", { text })))),
    make("p", { className: "soft", text: "For research: a person decides, and nothing of this is sent to a device." }));
}

const inside = (target) => `P(${words(target)} in its window)`;
const named = (toxicity) => words(toxicity).replace(/ g(\d)$/, " grade $1");
const harm = (toxicity) => `P(${named(toxicity)})`;
const chance = ({ p, se }) => `${percent(p)} ± ${(100 * se).toFixed(1)}`;
const table = (caption, columns, rows) => make("div", { className: "wide", attributes: { role: "region", "aria-label": caption, tabindex: "0" } },
  make("table", { className: "plain" }, make("caption", { className: "unseen", text: caption }),
    make("thead", {}, make("tr", {}, ...columns.map((text) => make("th", { text, attributes: { scope: "col" } })))), make("tbody", {}, ...rows)));
const head = (text, className = "") => make("th", { text, className, attributes: { scope: "row" } });

/** The odds of every way: a table, and the same as a plot. */
function odds(card) {
  const [plan] = card.ways;
  const columns = ["Way on", "Dose, mg", "Of the plan", ...plan.within.flatMap((one) => [`${words(one.target)}, ${unit(one.unit)}`, `${inside(one.target)}, %`]), ...plan.harms.map((one) => `${harm(one.toxicity)}, %`)];
  const rows = card.ways.map((way, i) => make("tr", { className: i === card.ways.length - 1 ? "chosen" : "" },
    head(way.name), make("td", { text: number(way.amount) }),
    make("td", { text: `${number(100 * way.of_plan)} %${way.delay > 0 ? `, ${span(way.delay * HOUR)} later` : ""}` }, way.allowed ? null : make("small", { text: "not allowed" })),
    ...way.within.flatMap((one) => [make("td", { text: number(one.median) }), make("td", { text: chance(one) }, make("small", { text: `below ${percent(one.below)}, above ${percent(one.above)}` }))]),
    ...way.harms.map((one) => make("td", { text: chance(one) }, one.limit === null ? null : make("small", { text: `${one.p > one.limit ? "over the" : "limit"} ${one.p > one.limit ? "limit " : ""}${number(100 * one.limit)} %`, className: one.p > one.limit ? "over" : "" })))));
  const panels = [
    ...plan.within.map((one, i) => ({ title: ["in its window", words(one.target)], limit: null, odds: card.ways.map((way) => way.within[i] ?? null) })),
    ...plan.harms.map((one, i) => ({ title: ["toxicity", named(one.toxicity)], limit: one.limit, odds: card.ways.map((way) => way.harms[i] ?? null) })),
  ];
  const ways = card.ways.map((way, i) => ({ name: way.name, advised: i === card.ways.length - 1 }));
  return make("div", { className: "beside" }, table("Odds of every way on", columns, rows), panels.length === 0 ? null : figure("Odds of every way on (± 2 standard errors)", oddsPlot(ways, panels)));
}

function rules(card) {
  if (card.rules.length === 0) return make("p", { className: "soft", text: "No published rule says anything of this dose, by what is known of the patient." });
  const rows = card.rules.map((one) => make("tr", {}, head(words(one.rule)), make("td", { text: one.said }), make("td", {}, make("small", { text: one.source }))));
  return table("What published rules say, and why the advice differs", ["Published rule", "What it says, and why the advice differs", "Source"], rows);
}

function sample({ output, t, bits, kept }, now) {
  return `${words(output)} at ${clock(t)} (${relative(t, now)}) is expected to tell ${number(bits)} bits of what the dose is chosen for; ${percent(kept)} of its standard deviation would be left.`;
}

/** What-ifs side by side: of each output the medians over the plan's band, and the odds as a table. */
function branches(card) {
  const followed = card.branches.filter((one) => one.problem === null);
  const [plan] = followed;
  const figures = plan.curves.map((curve, n) => {
    const lines = followed.map((one) => ({ name: one.words, rows: one.curves[n].rows }));
    const title = `${words(curve.output)}, ${unit(curve.unit)}: medians, and the plan's 5–95 %`;
    return figure(title, branchPlot(card.ahead, lines, `${title}; the table beside it has the odds`));
  });
  const medians = plan.curves.map((curve) => `${words(curve.output)}, ${unit(curve.unit)}, median from … to`);
  const rows = followed.map((one, i) => {
    const name = make("th", { className: "way", attributes: { scope: "row" } }, wayMark(i), make("span", { text: one.words }));
    const ranges = one.curves.map(({ rows: [, median] }) => make("td", { text: between(median) }));
    return make("tr", {}, name, ...one.harms.map((each) => make("td", { text: chance(each) })), ...ranges);
  });
  const columns = ["What if", ...plan.harms.map((one) => `${harm(one.toxicity)}, %`), ...medians];
  return make("div", { className: "branches" }, make("h4", { text: "What if" }), make("div", { className: "beside" }, table("What-ifs side by side", columns, rows), make("div", { className: "curves" }, ...figures)));
}

/** From the lowest to the highest; what is under a thousandth of the highest is nothing to look at. */
function between(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${number(low < high / 1000 ? 0 : low)} … ${number(high < 1e-6 ? 0 : high)}`;
}

/** What is not told, and why: silence is not to be read as safety. */
function withheld(card) {
  if (card.outcome !== "advised") return card.branches.filter((one) => one.problem !== null).map(problem);
  const forbidden = card.ways.filter((way) => !way.allowed).map((way) => way.name);
  const free = card.ways[0].harms.filter((one) => one.limit === null).map((one) => words(one.toxicity));
  return [
    forbidden.length > 0 ? `Not to be chosen, as the protocol does not allow it: ${forbidden.join(", ")}.` : null,
    card.ways[0].within.length === 0 ? "No exposure: the model has no target of this drug, or its end is not known." : null,
    free.length > 0 ? `No dose was refused for ${free.join(", ")}: the protocol has no limit of it.` : null,
    card.sample === null ? "No next sample: none can be drawn in time, none would tell more, or rival models are averaged." : null,
    ...card.branches.filter((one) => one.problem !== null).map(problem),
  ].filter(Boolean);
}

const problem = (one) => `What if “${one.words}” cannot be followed: ${one.problem}.`;
