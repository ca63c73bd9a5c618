// A patient on one A4 page: laid out anew for paper, in light colours. What has no room is left out, and counted at the top.

import { $, write } from "./dom.js";
import { clock, zone } from "./format.js";
import { text } from "./text.js";

/** The height of the page between its margins, in CSS pixels: 276 mm. */
const HEIGHT = (276 * 96) / 25.4;

/** What may be left out, the least needed first: how many there may be at most, and how many there are at least. */
const PARTS = [
  { name: "values", most: 8, least: 2, of: () => $("measured-rows") },
  { name: "parameters", most: 12, least: 2, of: () => $("parameter-rows") },
  { name: "charts", most: 4, least: 2, of: () => $("charts") },
  { name: "facts", most: 16, least: 8, of: () => $("facts") },
  { name: "alerts", most: 8, least: 2, of: () => $("alerts") },
];

function keep({ of }, room) {
  [...of().children].forEach((each, i) => each.classList.toggle("no-room", i >= room));
}

function foot(rooms) {
  const left = PARTS.map(({ name, of }, i) => [name, of().children.length - rooms[i]]).filter(([, n]) => n > 0);
  const said = left.map(([name, n]) => text(`sheet.${name}`, { n }));
  write($("sheet-foot"), [text("sheet.printed", { time: clock(Date.now()), zone: zone() }), ...said, text("page.intent")].join(" · "));
}

/** Lay out for paper, and leave out what has no room. */
export function layOut(patient) {
  document.documentElement.classList.add("printing");
  patient.rebuild(true);
  const rooms = PARTS.map(({ most, of }) => Math.min(most, of().children.length));
  const fits = () => {
    PARTS.forEach((part, i) => keep(part, rooms[i]));
    foot(rooms);
    return $("patient").scrollHeight <= HEIGHT;
  };
  while (!fits()) {
    const next = PARTS.findIndex(({ least }, i) => rooms[i] > least);
    if (next < 0) return;
    rooms[next] -= 1;
  }
}

/** Back to the screen. */
export function layBack(patient) {
  document.documentElement.classList.remove("printing");
  patient?.rebuild();
}
