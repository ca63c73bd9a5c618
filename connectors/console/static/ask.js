// The form to ask a patient's twin what should be given next. The answer comes by the topics, to everybody who looks.

import { whatIf } from "./format.js";
import { hide, make, show, write } from "./dom.js";
import { AS_TOLD, text } from "./text.js";

const PATIENCE = 20_000;
const GENES = "DPYD=1.5, UGT1A1=poor";
const MOST = 8;

/** Growth factors and rescues that models of the library have, each with a usual dose. */
const SUPPORT = {
  pegfilgrastim: "give pegfilgrastim 6 mg sc in 24 h",
  filgrastim: "give filgrastim 0.3 mg sc in 24 h",
  glucarpidase: "give glucarpidase 5.19 mg iv in 1 h",
};

/** What is usually asked of the drugs of a model: what would support the patient, then of what runs, then of what is to come. */
function suggested({ rates, due }) {
  const planned = new Set(due.map((dose) => dose.drug));
  const support = rates.map(({ drug }) => SUPPORT[drug]).filter(Boolean);
  const found = rates.filter(({ drug }) => !SUPPORT[drug]).flatMap(({ drug, rate }, i) => [
    ...(rate > 0 ? [`stop ${drug}`, `slow ${drug} 0.5`, `extend ${drug} 6 h`] : []),
    ...(planned.has(drug) || (rate === 0 && i === 0) ? [`skip ${drug}`, `delay ${drug} 7 d`, `scale ${drug} 0.75`] : []),
  ]);
  return [...found.slice(0, MOST - support.length), ...support];
}

const field = (label, name, attributes) => make("label", { text: `${text(label)} ` }, make("input", { attributes: { name, autocomplete: "off", ...attributes } }));

/** Who asks, what for, what is known of genes, and which what-ifs; it stays the same element in every frame. */
export class Ask {
  constructor(id) {
    this.id = id;
    this.waits = null;
    this.offered = "";
    this.button = make("button", { text: text("ask.button") });
    this.choices = make("fieldset", { className: "what-ifs" }, make("legend", { text: text("advice.what_if") }));
    this.boxes = make("div");
    this.unsupported = make("p", { className: "soft", text: text("ask.no_support") });
    this.choices.append(this.boxes, this.unsupported);
    this.answer = make("p", { className: "answer", attributes: { role: "status" } });
    const who = { required: "", maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", title: text("form.pseudonym"), spellcheck: "false" };
    const gene = { maxlength: 200, placeholder: GENES, title: text("ask.genes", { example: GENES }), spellcheck: "false" };
    this.who = field("form.who", "by", who);
    this.form = make("form", {}, this.who, field("ask.what_for", "reason", { required: "", maxlength: 500 }),
      field("ask.genotypes", "genotypes", gene), field("ask.other", "other", { maxlength: 200, lang: AS_TOLD, placeholder: SUPPORT.pegfilgrastim, spellcheck: "false" }),
      this.choices, make("div", {}, this.button), this.answer);
    this.element = make("details", { className: "act" }, make("summary", { text: text("ask.title") }), this.form);
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

  draw(cards, row, { who, asks }) {
    show(this.element, asks);
    hide(this.who, who !== null);
    const offers = suggested(row);
    show(this.unsupported, !row.rates.some(({ drug }) => drug in SUPPORT));
    if (offers.join() !== this.offered) {
      this.offered = offers.join();
      const kept = new Set([...this.boxes.querySelectorAll("input:checked")].map((box) => box.value));
      this.boxes.replaceChildren(...offers.map((words) => {
        const box = make("input", { attributes: { type: "checkbox", name: "branch", value: words } });
        box.checked = kept.has(words);
        return make("label", {}, box, whatIf(words));
      }));
    }
    show(this.choices, offers.length > 0);
    if (this.waits && cards.some((card) => card.cause === this.waits)) {
      this.waits = null;
      write(this.answer, text("ask.answered"));
    }
  }

  async send() {
    const said = new FormData(this.form);
    const body = { by: said.get("by") ?? "", reason: said.get("reason"), branches: [...said.getAll("branch"), said.get("other").trim()].filter(Boolean) };
    const pairs = said.get("genotypes").split(",").map((each) => each.trim()).filter(Boolean).map((each) => each.split("=").map((part) => part.trim()));
    if (pairs.some((pair) => pair.length !== 2)) {
      write(this.answer, text("ask.not_asked", { why: text("ask.genes", { example: GENES }) }));
      return;
    }
    body.genotypes = Object.fromEntries(pairs);
    this.button.disabled = true;
    write(this.answer, text("form.sending"));
    try {
      const answer = await fetch(`api/patients/${encodeURIComponent(this.id)}/advice`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-dosetwin": "act" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(PATIENCE),
      });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.detail);
      this.waits = told.event_id;
      write(this.answer, text("ask.asked"));
      this.form.elements.reason.value = "";
    } catch (error) {
      write(this.answer, text("ask.not_asked", { why: error.message }));
    } finally {
      this.button.disabled = false;
    }
  }
}
