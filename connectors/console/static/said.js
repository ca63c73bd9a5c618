// What a twin says of an alert or of advice, made anew of its key and terms: in the reader's language, numbers and units.

import { number, unit, words } from "./format.js";
import { AS_TOLD, language, locale, text, textOr } from "./text.js";
import { conversion } from "./units.js";

const PLAIN = new Intl.NumberFormat(locale, { maximumSignificantDigits: 6, useGrouping: false });
const SIGNED = new Intl.NumberFormat(locale, { maximumFractionDigits: 0, signDisplay: "always" });

/** Terms that name what models and rules name, and the message file may have in the reader's language. */
const NAMES = new Set(["drug", "name", "output", "target", "toxicity"]);

/** The text of an event for an element: made of what was said, or as it was told where no message file has its key. */
export function inWords({ said, text: told }) {
  const made = said ? say(said) : null;
  return made === null ? { text: told, attributes: { lang: AS_TOLD } } : { text: made };
}

function say({ key, terms }) {
  if (key === "amount" || key === "bare") return quantity(terms, key === "amount");
  if (key === "share") return text("said.share", { value: PLAIN.format(terms.value) });
  if (key === "change") return text("said.change", { value: SIGNED.format(terms.value) });
  if (key === "capital") return capital(term("name", terms.text));
  return textOr(`said.${key}`, null, Object.fromEntries(Object.entries(terms).map(([name, value]) => [name, term(name, value)])));
}

function term(name, value) {
  if (typeof value === "object") return say(value);
  if (typeof value === "number") return PLAIN.format(value);
  if (language === AS_TOLD) return value;
  if (name === "kind") return textOr(`event.${value}`, value);
  return NAMES.has(name) ? words(value) : value;
}

/** A number with its unit, or without one where that stands beside it; in the unit that the reader chose for its output. */
function quantity({ value, unit: ucum, of }, whole) {
  const read = conversion(of, ucum);
  const figure = read.unit === ucum ? PLAIN.format(value) : number(read.of(value));
  return whole && read.unit !== "1" ? `${figure} ${unit(read.unit)}` : figure;
}

const capital = (said) => said.charAt(0).toUpperCase() + said.slice(1);
