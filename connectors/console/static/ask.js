// The form to ask a patient's twin what should be given next. The answer comes by the topics, to everybody who looks.

import { words } from "./format.js";
import { hide, make, show, write } from "./dom.js";

const PATIENCE = 20_000;
const GROWTH_FACTORS = { pegfilgrastim: "give pegfilgrastim 6 mg sc in 24 h", filgrastim: "give filgrastim 0.3 mg sc in 24 h" };
const RESCUES = { leucovorin: "give leucovorin 25 mg iv in 1 h" };

/** What is usually asked of a drug: of one that runs, and of one that is to come. */
function suggested(rates) {
  const found = [];
  for (const { drug, rate } of rates) {
    const given = GROWTH_FACTORS[drug] ?? RESCUES[drug];
    if (given) found.push(given);
    else if (rate > 0) found.push(`stop ${drug}`, `slow ${drug} 0.5`, `extend ${drug} 6 h`);
    else found.push(`skip ${drug}`, `delay ${drug} 7 d`, `scale ${drug} 0.75`);
  }
  return found.slice(0, 8);
}

const field = (label, name, attributes) => make("label", { text: `${label} ` }, make("input", { attributes: { name, autocomplete: "off", ...attributes } }));

/** Who asks, what for, what is known of genes, and which what-ifs; it stays the same element in every frame. */
export class Ask {
  constructor(id) {
    this.id = id;
    this.waits = null;
    this.offered = "";
    this.button = make("button", { text: "Ask the twin" });
    this.choices = make("fieldset", { className: "what-ifs" }, make("legend", { text: "What if" }));
    this.boxes = make("div");
    this.choices.append(this.boxes);
    this.answer = make("p", { className: "answer", attributes: { role: "status" } });
    const who = { required: "", maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", title: "a pseudonym, never a name: letters, digits, '.', '_', '-'", spellcheck: "false" };
    const gene = { maxlength: 200, placeholder: "DPYD=1.5, UGT1A1=poor", title: "gene=value, separated by commas: DPYD=1.5, UGT1A1=poor", spellcheck: "false" };
    this.who = field("Who (pseudonym)", "by", who);
    this.form = make("form", {}, this.who, field("What for", "reason", { required: "", maxlength: 500 }),
      field("Genotypes", "genotypes", gene), field("Another what-if", "other", { maxlength: 200, placeholder: "give pegfilgrastim 6 mg sc in 24 h", spellcheck: "false" }),
      this.choices, make("div", {}, this.button), this.answer);
    this.element = make("details", { className: "act" }, make("summary", { text: "Ask what should be given next" }), this.form);
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
    const offers = suggested(row.rates);
    if (offers.join() !== this.offered) {
      this.offered = offers.join();
      const kept = new Set([...this.boxes.querySelectorAll("input:checked")].map((box) => box.value));
      this.boxes.replaceChildren(...offers.map((text) => {
        const box = make("input", { attributes: { type: "checkbox", name: "branch", value: text } });
        box.checked = kept.has(text);
        return make("label", {}, box, words(text));
      }));
    }
    show(this.choices, offers.length > 0);
    if (this.waits && cards.some((card) => card.cause === this.waits)) {
      this.waits = null;
      write(this.answer, "Answered.");
    }
  }

  async send() {
    const said = new FormData(this.form);
    const body = { by: said.get("by") ?? "", reason: said.get("reason"), branches: [...said.getAll("branch"), said.get("other").trim()].filter(Boolean) };
    const pairs = said.get("genotypes").split(",").map((each) => each.trim()).filter(Boolean).map((each) => each.split("=").map((part) => part.trim()));
    if (pairs.some((pair) => pair.length !== 2)) {
      write(this.answer, "Not asked: write genotypes as gene=value, separated by commas");
      return;
    }
    body.genotypes = Object.fromEntries(pairs);
    this.button.disabled = true;
    write(this.answer, "sending …");
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
      write(this.answer, "Asked. The answer is shown here as soon as the twin gives it.");
      this.form.elements.reason.value = "";
    } catch (error) {
      write(this.answer, `Not asked: ${error.message}`);
    } finally {
      this.button.disabled = false;
    }
  }
}
