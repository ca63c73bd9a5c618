// A patient's parameters: what each means, now, in patients like this one and in the population; and the card of the model.

import { percent, range, unit, words } from "./format.js";
import { $, intervalBar, make, show, write } from "./dom.js";
import { AS_TOLD, text } from "./text.js";

export function drawParameters(parameters) {
  const drawn = JSON.stringify(parameters);
  if ($("parameter-rows").drawn === drawn) return;
  $("parameter-rows").drawn = drawn;
  $("parameter-rows").replaceChildren(...parameters.map(row));
}

/** Of 5 %, typical and 95 % a band, as the others are. */
const five = ([low, middle, high]) => [low, middle, middle, middle, high];

function row({ name, unit: ucum, now, prior, population, place, meaning }) {
  const said = make("small", { text: meaning.words ?? text("parameters.no_meaning"), attributes: meaning.words === null ? {} : { lang: AS_TOLD } });
  const among = place === null ? null : make("small", { text: text("parameters.place", { p: percent(place) }) });
  return make("tr", {},
    make("th", { text: name, className: "parameter", attributes: { scope: "row", ...(meaning.source === null ? {} : { title: meaning.source }) } }, said),
    make("td", { text: `${range(now)} ${unit(ucum)}` }, among),
    make("td", { text: prior ? range(five(prior)) : text("parameters.not_known") }),
    make("td", { text: population ? range(population) : text("parameters.not_known") }),
    make("td", {}, gauge(now, prior, population)));
}

/** The three ranges, one over the other; the table has their numbers. */
function gauge(now, prior, population) {
  const bands = [["population", population], ["prior", prior && five(prior)], ["now", now]].filter(([, band]) => band);
  const low = Math.min(...bands.map(([, band]) => band[0]));
  const width = Math.max(...bands.map(([, band]) => band[4])) - low || 1;
  const place = (value) => (value - low) / width;
  return make("span", { className: "gauge triple", attributes: { "aria-hidden": "true" } }, ...bands.flatMap(([kind, band]) => intervalBar(kind, place(band[0]), place(band[2]), place(band[4]))));
}

/** The card of a model, fetched when it is opened. */
export class ModelCard {
  constructor() {
    this.model = null;
    $("model-card").open = false;
    $("model-card").ontoggle = () => this.load();
  }

  draw(model) {
    show($("model-card"), Boolean(model));
    if (model === this.model) return;
    this.model = model;
    this.loaded = null;
    if (model) write($("model-card-summary"), text("card.title", { name: words(model) }));
    this.load();
  }

  async load() {
    if (!$("model-card").open || !this.model || this.loaded === this.model) return;
    this.loaded = this.model;
    $("model-card-body").replaceChildren(make("p", { text: text("card.loading") }));
    try {
      const answer = await fetch(`api/models/${encodeURIComponent(this.model)}`);
      const card = await answer.json();
      if (!answer.ok) throw new Error(card.detail);
      $("model-card-body").replaceChildren(...drawn(card));
    } catch (error) {
      this.loaded = null;
      $("model-card-body").replaceChildren(make("p", { text: text("card.missing", { why: error.message }) }));
    }
  }
}

function drawn({ id, hash, title, population, sections }) {
  return [
    make("p", {}, make("strong", { text: title, attributes: { lang: AS_TOLD } })),
    make("p", { className: "soft", text: text("card.file", { id, hash }) }),
    make("h4", { text: text("card.population") }),
    make("p", { text: population, attributes: { lang: AS_TOLD } }),
    ...sections.flatMap(section),
  ];
}

function section({ title, heads, rows, lines }) {
  const head = make("thead", {}, make("tr", {}, ...heads.map((each) => make("th", { text: each, attributes: { scope: "col" } }))));
  const body = make("tbody", {}, ...rows.map(([first, ...others]) =>
    make("tr", {}, make("th", { text: first, attributes: { scope: "row" } }), ...others.map((each) => make("td", { text: each })))));
  const table = make("div", { className: "wide", attributes: { role: "region", "aria-label": title, tabindex: "0", lang: AS_TOLD } }, make("table", { className: "plain wraps" }, head, body));
  return [
    make("h4", { text: title, attributes: { lang: AS_TOLD } }),
    rows.length > 0 ? table : null,
    lines.length > 0 ? make("ul", { attributes: { lang: AS_TOLD } }, ...lines.map((each) => make("li", { text: each }))) : null,
  ].filter(Boolean);
}
