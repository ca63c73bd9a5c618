// The alerts of one patient: how each stands, why, its history, and what can be done about it.

import { Act, isShelved } from "./act.js";
import { alertName, clock, percent, span } from "./format.js";
import { Grounds } from "./grounds.js";
import { $, make, severityMark, show, write } from "./dom.js";
import { inWords } from "./said.js";
import { AS_TOLD, language, text, textOr } from "./text.js";

const HOUR = 3_600_000;
const DONE = { acknowledge: "acknowledged", shelve: "shelved", unshelve: "unshelved", comment: "commented" };

/** What stands and what has ended. An item stays the same element as long as it is there: focus, what is open and what
 * is being typed in it outlast every frame. */
export class Alerts {
  constructor() {
    this.items = new Map();
    this.drawn = "";
    $("alerts").replaceChildren();
    $("ended-alerts").replaceChildren();
  }

  draw(cards, now, rights) {
    const drawn = JSON.stringify([cards, now, rights]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const ended = cards.filter((card) => !card.active);
    const known = new Set(cards.map((card) => card.id));
    for (const id of this.items.keys()) if (!known.has(id)) this.items.delete(id);
    const items = (some) => some.map((card) => this.item(card, now, rights));
    const standing = items(cards.filter((card) => card.active));
    const none = make("li", { className: "none", text: text(ended.length ? "alerts.none_stands" : "alerts.none_so_far") });
    arrange($("alerts"), standing.length ? standing : [none]);
    arrange($("ended-alerts"), items(ended));
    write($("ended-summary"), text("alerts.ended", { n: ended.length }));
    show($("ended"), ended.length > 0);
  }

  item(card, now, rights) {
    if (!this.items.has(card.id)) this.items.set(card.id, new Item(card.id));
    return this.items.get(card.id).draw(card, now, rights);
  }
}

/** Put elements in order, moving only those that are not where they belong. */
export function arrange(list, wanted) {
  wanted.forEach((element, i) => {
    if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
  });
  while (list.children.length > wanted.length) list.lastChild.remove();
}

/** One alert in full; it stays the same element in every frame. */
export class Item {
  constructor(id, tag = "li") {
    this.said = make("div");
    this.count = make("summary");
    this.steps = make("ol");
    this.act = new Act(id);
    this.grounds = new Grounds(id);
    const history = make("details", { className: "history" }, this.count, this.steps);
    this.element = make(tag, {}, this.said, this.act.element, this.grounds.element, history);
  }

  draw(card, now, rights) {
    const step = card.steps.at(-1);
    this.element.className = card.active ? step.severity : "ended";
    Object.assign(this.element.dataset, { rule: card.rule, subject: card.subject.name, state: step.state });
    this.said.replaceChildren(...said(card, step, now));
    write(this.count, text("alerts.history", { n: card.steps.length }));
    this.steps.replaceChildren(...card.steps.map((each) => make("li", {}, told(each), make("span", inWords(each)))));
    this.grounds.draw(card.grounds, step.revision);
    this.act.draw(step, now, rights.acts && card.active, rights.who);
    return this.element;
  }
}

/** What stands is told with the time it was told at, and the age that the data behind it have by now. */
function said(card, step, now) {
  const since = Math.max(0, now - step.time);
  const facts = [
    step.probability === null ? null : text("alerts.probability", { p: percent(step.probability) }),
    step.horizon_hours === null ? null : text("alerts.within", { span: span(step.horizon_hours * HOUR) }),
    !card.active || step.freshness_hours === null ? null : text("alerts.newest", { span: span(step.freshness_hours * HOUR + since) }),
    text("time.as_of", { time: clock(step.time) }) + (card.active && since >= HOUR ? ` (${text("time.ago", { span: span(since) })})` : ""),
    text("alerts.since", { time: clock(card.onset) }),
    card.active && isShelved(step, now) ? text("alerts.shelved_until", { time: clock(step.shelved_until) }) : null,
    card.active && step.inhibited_by !== null ? text("alerts.inhibited_by", { rule: textOr(`rule.${step.inhibited_by}.title`, step.inhibited_by), id: step.inhibiting_alert }) : null,
  ].filter(Boolean);
  return [
    make("p", { className: "what" }, severityMark(step.severity), make("strong", { text: alertName(card) }), make("span", { className: "state", text: card.active ? `${text(`severity.${step.severity}`)}, ${text(`state.${step.state}`)}` : text(`state.${step.state}`) })),
    make("p", inWords(step)),
    step.advice && check(card.rule, step.advice),
    step.handled && make("p", { className: "handled", text: `${handled(step.handled)} (${clock(step.handled.time)})` }),
    make("p", { className: "soft", text: facts.join(" · ") }),
  ].filter(Boolean);
}

/** What to check: as the twin says it, in the language of the page where the message file has it of the rule. */
function check(rule, advice) {
  const said = language === AS_TOLD ? advice : textOr(`rule.${rule}.check`, null);
  return make("p", { className: "advice", text: said ?? advice, attributes: said === null ? { lang: AS_TOLD } : {} });
}

const handled = ({ action, by, reason }) => text(reason ? "alerts.done_why" : "alerts.done", { done: text(`phase.${DONE[action]}`), by, reason });

function told({ time, phase, probability, handled: done }) {
  const what = done && DONE[done.action] === phase ? handled(done) : text(`phase.${phase}`);
  return `${clock(time)}: ${what}${probability === null ? "" : `, ${percent(probability)}`}. `;
}
