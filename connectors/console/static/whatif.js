// What if: ways on that somebody chooses, foreseen by the twin at once and shown side by side, with nothing advised.

import { branches, problem } from "./branches.js";
import { clock, relative, whatIf } from "./format.js";
import { make, show } from "./dom.js";
import { Question, field } from "./question.js";
import { AS_TOLD, text } from "./text.js";

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

/** Which what-ifs, those that are offered and another one in words, and the curves of the newest that were asked for. */
export class WhatIf extends Question {
  constructor(id) {
    const choices = make("fieldset", { className: "what-ifs" }, make("legend", { text: text("advice.what_if") }));
    super(id, text("what_if.title"), text("what_if.button"), choices,
      field("ask.other", "other", { maxlength: 200, lang: AS_TOLD, placeholder: SUPPORT.pegfilgrastim, spellcheck: "false" }));
    this.offered = "";
    this.drawn = "";
    this.boxes = make("div");
    this.unsupported = make("p", { className: "soft", text: text("ask.no_support") });
    choices.append(this.boxes, this.unsupported);
    this.foreseen = make("div", { className: "foreseen" });
  }

  draw(cards, rights, row, now) {
    super.draw(cards, rights);
    this.offer(row);
    const card = cards.find(({ outcome }) => outcome === "foreseen");
    show(this.foreseen, card !== undefined);
    const drawn = card ? `${card.event} ${Math.floor(now / 60_000)}` : "";
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    if (card) this.foreseen.replaceChildren(article(card, now));
  }

  offer(row) {
    const offers = suggested(row);
    show(this.unsupported, !row.rates.some(({ drug }) => drug in SUPPORT));
    if (offers.join() === this.offered) return;
    this.offered = offers.join();
    const kept = new Set([...this.boxes.querySelectorAll("input:checked")].map((box) => box.value));
    this.boxes.replaceChildren(...offers.map((words) => {
      const box = make("input", { attributes: { type: "checkbox", name: "branch", value: words } });
      box.checked = kept.has(words);
      return make("label", {}, box, whatIf(words));
    }));
  }

  body(said) {
    return { asks: "what_if", branches: [...said.getAll("branch"), said.get("other").trim()].filter(Boolean) };
  }
}

function article(card, now) {
  const wrong = card.branches.filter((one) => one.problem !== null);
  return make("article", { className: "advised foreseen", attributes: { "data-cause": card.cause } },
    make("p", { className: "soft", text: `${text("time.as_of", { time: clock(card.t) })} (${relative(card.t, now)})` }),
    branches(card), wrong.length === 0 ? null : make("ul", {}, ...wrong.map((one) => make("li", { text: problem(one) }))));
}
