// The language of the page, and every text on it: from a message file, by its key.
//
// A new text is a line in each of `messages/*.json` and `text(KEY, {name: value})` here, or `data-text="KEY"` in a page.
// What other people wrote, and what twins and servers say, has no key: it is shown as it came.

import { read, worded } from "./messages.js";
import { preferences } from "./preferences.js";

const LOCALES = { en: "en-GB", de: "de-DE" };

/** The languages that there are message files for, each named in itself. */
export const LANGUAGES = { en: "English", de: "Deutsch" };

/** The one that was chosen, or the first of the browser's that is known. */
export const language = [preferences.language, ...navigator.languages.map((tag) => tag.split("-")[0])].find((tag) => tag in LANGUAGES) ?? "en";

/** How numbers and dates are written in it, for Intl. */
export const locale = LOCALES[language];

/** What twins, servers and other people say is in no file: English, wherever it stands. */
export const AS_TOLD = "en";

const address = new URL(`messages/${language}.json`, import.meta.url);
const answer = await fetch(address);
if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
const patterns = await answer.json();
const known = new Map();

/** The text of a key with its values put in; a key that is in no file stands for itself. */
export function text(key, values = {}) {
  if (!(key in patterns)) return key;
  if (!known.has(key)) known.set(key, read(patterns[key]));
  return worded(known.get(key), values, locale);
}

/** The text of a key that may be missing, as of a rule of somebody's package; then what is said instead. */
export const textOr = (key, otherwise, values = {}) => (key in patterns ? text(key, values) : otherwise);

/** Fill the texts of a part of the page: `data-text` of elements, `data-text-label` of what only screen readers say. */
export function translate(root = document) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of root.querySelectorAll("[data-text-label]")) element.setAttribute("aria-label", text(element.dataset.textLabel));
}

document.documentElement.lang = language;
translate();
