// What was advised for one patient: the odds of every way, what rules say beside it, and what was withheld.

import { clock, grade, number, percent, relative, span, unit, whatIf, words } from "./format.js";
import { Ask } from "./ask.js";
import { branches, chance, harm, head, problem, table } from "./branches.js";
import { figure, oddsPlot } from "./plots.js";
import { $, make, show, write } from "./dom.js";
import { inWords } from "./said.js";
import { AS_TOLD, text, textOr } from "./text.js";
import { WhatIf } from "./whatif.js";

const HOUR = 3_600_000;

/** The newest advice of each drug in full, what came before it folded away, and the forms to ask. */
export class AdvicePart {
  constructor(id) {
    this.drawn = "";
    this.opened = new Set();
    this.ask = new Ask(id);
    this.whatIf = new WhatIf(id);
    $("advised").replaceChildren();
    $("ask").replaceChildren(this.ask.element, this.whatIf.element, this.whatIf.foreseen);
  }

  draw(all, time, since, row, rights) {
    const now = Math.max(time, ...all.map((card) => card.t));
    this.ask.draw(all, rights);
    this.whatIf.draw(all, rights, row, now);
    const cards = all.filter(({ outcome }) => outcome !== "foreseen");
    const standing = [...new Map([...cards].reverse().map((card) => [card.drug, card])).values()];
    const moved = standing.map((card) => movedSince(card, since, now));
    const drawn = JSON.stringify([cards, moved, Math.floor(now / 60_000)]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const none = make("p", { className: "soft", text: text("advice.nothing") });
    $("advised").replaceChildren(...(standing.length ? standing.map((card, i) => article(card, moved[i], now)) : [none]));
    const before = cards.filter((card) => !standing.includes(card));
    write($("advised-before-summary"), text("advice.earlier", { n: before.length }));
    $("advised-before-list").replaceChildren(...before.map((card) => this.earlier(card, now)));
    show($("advised-before"), before.length > 0);
  }

  /** An earlier answer, folded away; one that was opened stays open. */
  earlier(card, now) {
    const told = make("summary", { text: `${clock(card.t)}, ${words(card.drug)}, ${text(`advice.about_${card.about}`)}: ${summary(card)}` });
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
    values > 0 ? text("advice.values_measured", { n: values }) : null,
    since.given(card.t, card.drug) ? text("advice.given", { drug: words(card.drug) }) : null,
    first && !first.running && first.t < now ? text("advice.was_due", { when: relative(first.t, now) }) : null,
  ].filter(Boolean);
}

const reason = (card) => inWords({ said: card.said, text: card.reason });

const advised = (card) => card.ways.at(-1);

function summary(card) {
  if (card.outcome === "withdrawn") return text("advice.withdrawn_why");
  if (card.outcome === "none") return text("advice.none_why", { why: reason(card).text });
  return text("advice.dose_advised", { dose: dose(advised(card)) });
}

/** "75 mg (75 % of the plan)", with its delay. */
function dose(way) {
  if (way.amount === 0) return text("advice.no_dose");
  const of = { amount: number(way.amount), share: number(100 * way.of_plan), span: span(way.delay * HOUR) };
  return text(way.delay > 0 ? "advice.dose_later" : "advice.dose", of);
}

function article(card, moved, now) {
  const outcome = card.outcome === "advised" ? text("advice.is_advised", { dose: dose(advised(card)) }) : text(`advice.outcome_${card.outcome}`);
  const heading = make("h4", { text: `${words(card.drug)}${card.decision ? `, ${textOr(`decision.${card.decision}`, card.decision)}` : ""}: ${outcome}` });
  const facts = [
    `${text("time.as_of", { time: clock(card.t) })} (${relative(card.t, now)})`,
    text(`advice.about_${card.about}`),
    card.protocol === null ? text("advice.no_protocol") : text("advice.protocol", { name: `${card.protocol} ${card.protocol_hash ?? ""}`.trim() }),
    text("advice.model", { name: words(card.model) }),
    card.ess === null ? null : text("facts.ess", { n: Math.round(card.ess) }),
  ].filter(Boolean);
  const held = withheld(card);
  return make("article", { className: `advised ${card.outcome}`, attributes: { "data-outcome": card.outcome, "data-drug": card.drug } },
    heading,
    make("p", reason(card)),
    card.note === null ? null : make("p", inWords({ said: card.note_said, text: card.note })),
    make("p", { className: "soft", text: facts.join(" · ") }),
    moved.length === 0 ? null : make("p", { className: "moved", text: text("advice.moved", { what: moved.join(", ") }) }),
    card.ways.length === 0 ? null : odds(card),
    rules(card),
    card.sample === null ? null : make("p", { className: "sample" }, make("strong", { text: `${text("advice.next_sample")} ` }), sample(card.sample, now)),
    card.branches.length === 0 ? null : branches(card),
    held.length === 0 ? null : make("div", { className: "withheld" }, make("strong", { text: text("advice.withheld") }), make("ul", {}, ...held.map((said) => make("li", { text: said })))),
    make("p", { className: "soft", text: text("advice.for_research") }));
}

const inside = (target) => text("odds.in_window", { name: words(target) });

/** The odds of every way: a table, and the same as a plot. */
function odds(card) {
  const [plan] = card.ways;
  const columns = [text("odds.way"), text("odds.dose"), text("odds.of_plan"), ...plan.within.flatMap((one) => [`${words(one.target)}, ${unit(one.unit)}`, `${inside(one.target)}, %`]), ...plan.harms.map((one) => `${harm(one.toxicity)}, %`)];
  const rows = card.ways.map((way, i) => make("tr", { className: i === card.ways.length - 1 ? "chosen" : "" },
    head(whatIf(way.name)), make("td", { text: number(way.amount) }),
    make("td", { text: `${number(100 * way.of_plan)} %${way.delay > 0 ? `, ${text("odds.later", { span: span(way.delay * HOUR) })}` : ""}` }, way.allowed ? null : make("small", { text: text("odds.not_allowed") })),
    ...way.within.flatMap((one) => [make("td", { text: number(one.median) }), make("td", { text: chance(one) }, make("small", { text: text("odds.below_above", { below: percent(one.below), above: percent(one.above) }) }))]),
    ...way.harms.map((one) => make("td", { text: chance(one) }, one.limit === null ? null : make("small", { text: text(one.p > one.limit ? "odds.over_limit" : "odds.limit", { p: number(100 * one.limit) }), className: one.p > one.limit ? "over" : "" })))));
  const panels = [
    ...plan.within.map((one, i) => ({ title: [text("odds.title_window"), words(one.target)], limit: null, odds: card.ways.map((way) => way.within[i] ?? null) })),
    ...plan.harms.map((one, i) => ({ title: [text("odds.title_toxicity"), grade(one.toxicity)], limit: one.limit, odds: card.ways.map((way) => way.harms[i] ?? null) })),
  ];
  const ways = card.ways.map((way, i) => ({ name: whatIf(way.name), advised: i === card.ways.length - 1 }));
  return make("div", { className: "beside" }, table(text("odds.caption"), columns, rows), panels.length === 0 ? null : figure(text("odds.figure"), oddsPlot(ways, panels)));
}

function rules(card) {
  if (card.rules.length === 0) return make("p", { className: "soft", text: text("advice.no_rule") });
  const rows = card.rules.map((one) => make("tr", {}, head(words(one.rule)), make("td", inWords(one)), make("td", {}, make("small", { text: one.source, attributes: { lang: AS_TOLD } }))));
  return table(text("advice.rules"), [text("advice.rule"), text("advice.rule_says"), text("advice.source")], rows);
}

function sample({ output, t, bits, kept }, now) {
  return text("advice.sample", { output: words(output), time: clock(t), when: relative(t, now), bits: number(bits), kept: percent(kept) });
}

/** What is not told, and why: silence is not to be read as safety. */
function withheld(card) {
  if (card.outcome !== "advised") return card.branches.filter((one) => one.problem !== null).map(problem);
  const forbidden = card.ways.filter((way) => !way.allowed).map((way) => whatIf(way.name));
  const free = card.ways[0].harms.filter((one) => one.limit === null).map((one) => words(one.toxicity));
  return [
    forbidden.length > 0 ? text("withheld.forbidden", { ways: forbidden.join(", ") }) : null,
    card.ways[0].within.length === 0 ? text("withheld.no_exposure") : null,
    free.length > 0 ? text("withheld.no_limit", { toxicities: free.join(", ") }) : null,
    card.sample === null ? text("withheld.no_sample") : null,
    ...card.branches.filter((one) => one.problem !== null).map(problem),
  ].filter(Boolean);
}
