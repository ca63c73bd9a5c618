// The form to ask a patient's twin what should be given next.

import { Question, field } from "./question.js";
import { text } from "./text.js";

const GENES = "DPYD=1.5, UGT1A1=poor";

/** What for, and what is known of genes. */
export class Ask extends Question {
  constructor(id) {
    const gene = { maxlength: 200, placeholder: GENES, title: text("ask.genes", { example: GENES }), spellcheck: "false" };
    super(id, text("ask.title"), text("ask.button"), field("ask.what_for", "reason", { required: "", maxlength: 500 }), field("ask.genotypes", "genotypes", gene));
  }

  body(said) {
    const pairs = said.get("genotypes").split(",").map((each) => each.trim()).filter(Boolean).map((each) => each.split("=").map((part) => part.trim()));
    if (pairs.some((pair) => pair.length !== 2)) throw new Error(text("ask.genes", { example: GENES }));
    return { reason: said.get("reason"), genotypes: Object.fromEntries(pairs) };
  }

  asked() {
    this.form.elements.reason.value = "";
  }
}
