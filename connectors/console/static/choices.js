// The reader's choices, in the head of every page: what is chosen stands there always, and opens the form to choose anew.

import { unit } from "./format.js";
import { make, write } from "./dom.js";
import { keep, preferences, units, zone } from "./preferences.js";
import { AS_TOLD, LANGUAGES, language, text } from "./text.js";

const option = (value, name, attributes = {}) => make("option", { text: name, attributes: { value, ...attributes } });

function chosen(name, label, options, value) {
  const select = make("select", { attributes: { name } }, ...options);
  select.value = value;
  return make("label", { text: `${label} ` }, select);
}

/** Fill the form within `element`, a <details>. */
export function offer(element) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = [...new Set([own, "UTC", ...Intl.supportedValuesOf("timeZone")])];
  const answer = make("p", { className: "answer", attributes: { role: "status" } });
  const form = make("form", {},
    chosen("language", text("choose.language"), Object.entries(LANGUAGES).map(([tag, name]) => option(tag, name, { lang: tag })), language),
    chosen("zone", text("choose.zone"), [option("", text("choose.browser", { zone: own })), ...zones.map((name) => option(name, name, { lang: AS_TOLD }))], preferences.zone ?? ""),
    ...Object.entries(units).map(([kind, codes]) =>
      chosen(`unit.${kind}`, text(`choose.${kind}`), [option("", text("choose.as_told")), ...codes.map((code) => option(code, unit(code)))], preferences.units[kind] ?? "")),
    make("div", {}, make("button", { text: text("choose.keep") })), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = Object.fromEntries(new FormData(form));
    const kinds = Object.keys(units).filter((kind) => said[`unit.${kind}`]);
    try {
      await keep({ language: said.language, zone: said.zone || null, units: Object.fromEntries(kinds.map((kind) => [kind, said[`unit.${kind}`]])) });
    } catch (error) {
      write(answer, text("choose.not_kept", { why: error.message }));
    }
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !element.open) return;
    event.stopPropagation();
    element.open = false;
    element.querySelector("summary").focus();
  });
  element.replaceChildren(make("summary", { text: [LANGUAGES[language], zone, ...Object.values(preferences.units).map(unit)].join(" · ") }), form);
}
