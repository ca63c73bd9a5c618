// What keeps twins from moving or from hearing: those that are sealed, and what was sent of a patient and refused.

import { make, show } from "./dom.js";
import { AS_TOLD, text } from "./text.js";

const MOST = 8;

/** Sealed twins, then refused events by patient, the newest reason of each; of one patient only where `id` is given. */
export function drawTroubles(list, sealed, letters, id = null) {
  const mine = (patient) => id === null || patient === id;
  const still = Object.entries(sealed).filter(([patient]) => mine(patient)).sort();
  const refused = Map.groupBy(letters.filter((letter) => letter.patient_id !== null && mine(letter.patient_id)), (letter) => letter.patient_id);
  const named = (patient) => (id === null ? make("a", { text: patient, attributes: { href: `#patient/${encodeURIComponent(patient)}` } }) : null);
  const items = [
    ...still.map(([patient, why]) => make("li", { className: "high" }, named(patient), make("strong", { text: text("trouble.sealed") }), make("span", { text: why, attributes: { lang: AS_TOLD } }))),
    ...[...refused].flatMap(([patient, each]) => (id === null ? [several(named(patient), each)] : each.slice(0, MOST).map(one))),
  ];
  const drawn = items.map((item) => item.outerHTML).join("");
  if (list.drawn !== drawn) {
    list.drawn = drawn;
    list.replaceChildren(...items);
  }
  show(list, items.length > 0);
}

function several(name, [newest, ...others]) {
  return make("li", { className: "medium" }, name, make("strong", { text: text("trouble.refused", { n: others.length + 1 }) }),
    make("span", { text: `${newest.reason}: ${newest.detail}`, attributes: { lang: AS_TOLD } }));
}

function one(letter) {
  return make("li", { className: "medium" }, make("strong", { text: text("trouble.refused", { n: 1 }) }),
    make("span", { text: `${letter.reason}: ${letter.detail}`, attributes: { lang: AS_TOLD } }));
}
