// A form that asks a patient's twin something. The answer comes by the topics, to everybody who looks.

import { hide, make, show, write } from "./dom.js";
import { text } from "./text.js";

const PATIENCE = 20_000;

export const field = (label, name, attributes) => make("label", { text: `${text(label)} ` }, make("input", { attributes: { name, autocomplete: "off", ...attributes } }));

/** Who asks, and the `parts` of what is asked; it stays the same element in every frame. What is sent, `body` says. */
export class Question {
  constructor(id, title, button, ...parts) {
    this.id = id;
    this.waits = null;
    this.button = make("button", { text: button });
    this.answer = make("p", { className: "answer", attributes: { role: "status" } });
    const who = { required: "", maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", title: text("form.pseudonym"), spellcheck: "false" };
    this.who = field("form.who", "by", who);
    this.form = make("form", {}, this.who, ...parts, make("div", {}, this.button), this.answer);
    this.element = make("details", { className: "act" }, make("summary", { text: title }), this.form);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.element.open) return;
      event.stopPropagation();
      this.element.open = false;
      this.element.querySelector("summary").focus();
    });
  }

  draw(cards, { who, asks }) {
    show(this.element, asks);
    hide(this.who, who !== null);
    if (this.waits && cards.some((card) => card.cause === this.waits)) {
      this.waits = null;
      write(this.answer, text("ask.answered"));
    }
  }

  async send() {
    this.button.disabled = true;
    write(this.answer, text("form.sending"));
    try {
      const said = new FormData(this.form);
      const answer = await fetch(`api/patients/${encodeURIComponent(this.id)}/advice`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-dosetwin": "act" },
        body: JSON.stringify({ by: said.get("by") ?? "", ...this.body(said) }),
        signal: AbortSignal.timeout(PATIENCE),
      });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.detail);
      this.waits = told.event_id;
      write(this.answer, text("ask.asked"));
      this.asked();
    } catch (error) {
      write(this.answer, text("ask.not_asked", { why: error.message }));
    } finally {
      this.button.disabled = false;
    }
  }

  /** What is cleared once it is asked. */
  asked() {}
}
