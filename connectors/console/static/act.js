// What can be done about one alert: who, why, what, and for how long. What comes of it is told by the next frame, as to
// everybody.

import { hide, make, show, write } from "./dom.js";
import { text } from "./text.js";

const PATIENCE = 20_000;
const ACTIONS = ["acknowledge", "shelve", "unshelve", "comment", "retract"];
const REASONS = ["seen", "bedside", "sample", "told", "expected"];

/** Who acted last on this page, where nobody logs in: kept until it is closed. */
let acted = "";

/** Whether nobody need be called for an alert for now. */
export const isShelved = (step, now) => step.shelved_until !== null && step.shelved_until > now;

/** Reasons that are given often, to choose from or to write on. */
function reasons() {
  if (!document.getElementById("reasons"))
    document.body.append(make("datalist", { attributes: { id: "reasons" } }, ...REASONS.map((each) => make("option", { attributes: { value: text(`reason.${each}`) } }))));
  return "reasons";
}

export class Act {
  constructor(id) {
    this.id = id;
    this.wanted = "acknowledge";
    const field = (label, name, attributes) => make("label", { text: `${text(label)} ` }, make("input", { attributes: { name, autocomplete: "off", ...attributes } }));
    this.buttons = Object.fromEntries(ACTIONS.map((action) => [action, make("button", { text: text(`action.${action}`), attributes: { name: action, value: action } })]));
    const who = { required: "", maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", title: text("form.pseudonym"), spellcheck: "false" };
    this.hours = field("form.hours", "hours", { type: "number", min: 0.5, max: 168, step: 0.5, value: 8 });
    this.answer = make("p", { className: "answer", attributes: { role: "status" } });
    this.who = field("form.who", "by", who);
    this.why = field("form.why", "reason", { required: "", maxlength: 500, list: reasons() });
    this.form = make("form", {}, this.who, this.why,
      make("div", {}, this.buttons.acknowledge, this.buttons.comment, this.hours, this.buttons.shelve, this.buttons.unshelve, this.buttons.retract), this.answer);
    this.element = make("details", { className: "act" }, make("summary", { text: text("alerts.act") }), this.form);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(event.submitter.value);
    });
    this.form.addEventListener("keydown", (event) => this.enter(event));
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.element.open) return;
      event.stopPropagation();
      this.element.open = false;
      this.element.querySelector("summary").focus();
    });
  }

  /** Enter in a field does what was begun, or else what the first button says. */
  enter(event) {
    const button = this.buttons[this.wanted];
    if (event.key !== "Enter" || event.target.tagName !== "INPUT" || button.hidden) return;
    event.preventDefault();
    this.form.requestSubmit(button);
  }

  /** Begin to do something: the first field that is empty has the focus, and Enter does it. False where it cannot be. */
  begin(action) {
    if (this.element.hidden || this.buttons[action].hidden) return false;
    this.element.open = true;
    this.wanted = action;
    for (const [name, button] of Object.entries(this.buttons)) button.classList.toggle("wanted", name === action);
    const fields = [this.who, action === "shelve" ? this.hours : this.why, this.why].map((label) => label.querySelector("input"));
    (fields.find((each) => !each.disabled && (!each.value || each.name === "hours")) ?? fields[2]).focus();
    return true;
  }

  draw(step, now, possible, who) {
    show(this.element, possible);
    hide(this.who, who !== null);
    const name = this.who.querySelector("input");
    if (acted && !name.value && document.activeElement !== name) name.value = acted;
    show(this.buttons.acknowledge, step.state !== "acknowledged");
    show(this.buttons.shelve, !isShelved(step, now) && step.state !== "latched");
    show(this.hours, !this.buttons.shelve.hidden);
    this.hours.firstElementChild.disabled = this.buttons.shelve.hidden;
    show(this.buttons.unshelve, isShelved(step, now));
    show(this.buttons.retract, Boolean(step.handled));
    if (this.buttons[this.wanted].hidden) this.wanted = this.buttons.acknowledge.hidden ? "comment" : "acknowledge";
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
    const focused = document.activeElement;
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
      acted = body.by;
      this.waits = { revision: this.revision };
      write(this.answer, text("alerts.sent"));
      this.form.elements.reason.value = "";
    } catch (error) {
      write(this.answer, text("alerts.not_done", { why: error.message }));
    } finally {
      for (const each of Object.values(this.buttons)) each.disabled = false;
      if (document.activeElement === document.body) focused.focus(); // a button that is disabled loses the focus
    }
  }
}
