// What the twin's own predictions were worth so far: how often a value fell where it was expected.

import { number, words } from "./format.js";
import { $, make, show } from "./dom.js";
import { text } from "./text.js";

/** Below so many values nothing can be told: even all of them outside would hardly be news. */
const FEW = 3;

export function drawHealth(found) {
  show($("health"), found.length > 0);
  show($("health-none"), found.length === 0);
  const drawn = JSON.stringify(found);
  if ($("health-rows").drawn === drawn) return;
  $("health-rows").drawn = drawn;
  $("health-rows").replaceChildren(...found.map(row));
}

function row(each) {
  const wrong = each.within < each.least;
  const verdict = wrong ? "too_sure" : each.values < FEW ? "too_few" : "fits";
  return make("tr", { className: wrong ? "wrong" : "" },
    make("th", { text: words(each.output), attributes: { scope: "row" } }),
    make("td", { text: number(each.values) }),
    make("td", { text: text("health.share", { n: each.within, all: each.values }) }),
    make("td", { text: text("health.range", { least: each.least, most: each.most }) }),
    make("td", {}, fifths(each), make("small", { text: each.parts.join(" · ") })),
    make("td", { text: number(each.error) }, each.population_error === null ? null : make("small", { text: text("health.population_off", { factor: number(each.population_error) }) })),
    make("td", {}, make(wrong ? "strong" : "span", { text: text(`health.${verdict}`) })));
}

/** As many columns as parts, all as high where the twin is calibrated; the figures stand beside them. */
function fifths({ parts }) {
  const most = Math.max(...parts, 1);
  return make("span", { className: "fifths", attributes: { "aria-hidden": "true" } }, ...parts.map((count) => {
    const column = make("span");
    column.style.height = `${Math.max(4, (100 * count) / most)}%`;
    return column;
  }));
}
