// The alerts of one patient: how each stands, its history, and what can be done about it.

import { alertName, clock, percent, span } from "./format.js";
import { Grounds } from "./grounds.js";
import { $, hide, make, severityMark, show, write } from "./dom.js";
import { AS_TOLD, language, text, textOr } from "./text.js";

const HOUR = 3_600_000;
const PATIENCE = 20_000;
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
function arrange(list, wanted) {
  wanted.forEach((element, i) => {
    if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
  });
  while (list.children.length > wanted.length) list.lastChild.remove();
}

class Item {
  constructor(id) {
    this.said = make("div");
    this.count = make("summary");
    this.steps = make("ol");
    this.act = new Act(id);
    this.grounds = new Grounds(id);
    const history = make("details", { className: "history" }, this.count, this.steps);
    this.element = make("li", {}, this.said, this.act.element, this.grounds.element, history);
  }

  draw(card, now, rights) {
    const step = card.steps.at(-1);
    this.element.className = card.active ? step.severity : "ended";
    Object.assign(this.element.dataset, { rule: card.rule, subject: card.subject.name, state: step.state });
    this.said.replaceChildren(...said(card, step, now));
    write(this.count, text("alerts.history", { n: card.steps.length }));
    this.steps.replaceChildren(...card.steps.map((each) => make("li", {}, told(each), make("span", { text: each.text, attributes: { lang: AS_TOLD } }))));
    this.grounds.draw(card.grounds);
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
    make("p", { text: step.text, attributes: { lang: AS_TOLD } }),
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

const isShelved = (step, now) => step.shelved_until !== null && step.shelved_until > now;

const handled = ({ action, by, reason }) => text(reason ? "alerts.done_why" : "alerts.done", { done: text(`phase.${DONE[action]}`), by, reason });

function told({ time, phase, probability, handled: done }) {
  const what = done && DONE[done.action] === phase ? handled(done) : text(`phase.${phase}`);
  return `${clock(time)}: ${what}${probability === null ? "" : `, ${percent(probability)}`}. `;
}

/** The form of one alert: who, why, and what to do. What comes of it is told by the next frame, as to everybody. */
class Act {
  constructor(id) {
    this.id = id;
    const field = (label, name, attributes) => make("label", { text: `${text(label)} ` }, make("input", { attributes: { name, autocomplete: "off", ...attributes } }));
    const button = (action) => make("button", { text: text(`action.${action}`), attributes: { name: action, value: action } });
    this.buttons = Object.fromEntries(["acknowledge", "shelve", "unshelve", "comment", "retract"].map((action) => [action, button(action)]));
    const who = { required: "", maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", title: text("form.pseudonym"), spellcheck: "false" };
    this.hours = field("form.hours", "hours", { type: "number", min: 0.5, max: 168, step: 0.5, value: 8 });
    this.answer = make("p", { className: "answer", attributes: { role: "status" } });
    this.who = field("form.who", "by", who);
    this.form = make("form", {}, this.who, field("form.why", "reason", { required: "", maxlength: 500 }),
      make("div", {}, this.buttons.acknowledge, this.buttons.comment, this.hours, this.buttons.shelve, this.buttons.unshelve, this.buttons.retract), this.answer);
    this.element = make("details", { className: "act" }, make("summary", { text: text("alerts.act") }), this.form);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(event.submitter.value);
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.element.open) return;
      event.stopPropagation();
      this.element.open = false;
      this.element.querySelector("summary").focus();
    });
  }

  draw(step, now, possible, who) {
    show(this.element, possible);
    hide(this.who, who !== null);
    show(this.buttons.acknowledge, step.state !== "acknowledged");
    show(this.buttons.shelve, !isShelved(step, now) && step.state !== "latched");
    show(this.hours, !this.buttons.shelve.hidden);
    this.hours.firstElementChild.disabled = this.buttons.shelve.hidden;
    show(this.buttons.unshelve, isShelved(step, now));
    show(this.buttons.retract, Boolean(step.handled));
    if (this.waits && step.revision > this.waits.revision) {
      this.waits = null;
      write(this.answer, "");
    }
    this.revision = step.revision;
  }

  async send(action) {
    const said = Object.fromEntries(new FormData(this.form));
    const body = { action, by: said.by ?? "", reason: said.reason };
    if (action === "shelve") body.hours = Number(said.hours);
    for (const each of Object.values(this.buttons)) each.disabled = true;
    write(this.answer, text("form.sending"));
    try {
      const answer = await fetch(`api/alerts/${encodeURIComponent(this.id)}/actions`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-dosetwin": "act" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (!answer.ok) throw new Error((await answer.json()).detail);
      this.waits = { revision: this.revision };
      write(this.answer, text("alerts.sent"));
      this.form.elements.reason.value = "";
    } catch (error) {
      write(this.answer, text("alerts.not_done", { why: error.message }));
    } finally {
      for (const each of Object.values(this.buttons)) each.disabled = false;
    }
  }
}
