// The ward: one line a patient, who needs somebody now first.

import { COLUMNS, whom } from "./cells.js";
import { clock, zone } from "./format.js";
import { $, make, show, write } from "./dom.js";
import { Filters } from "./filters.js";
import { byNeed, need, troubles } from "./needs.js";
import { AS_TOLD, text } from "./text.js";
import { row as inUnits } from "./units.js";

/** Ms after which ages are written anew: they are told in minutes. */
const AGED = 5_000;

/** Ms of drawing after which the page sees to its reader before it goes on. */
const SLICE = 40;

/** Ms of writing ages after which it does so. */
const AGEING_SLICE = 8;

/** The cells that say how long ago or ahead something is. */
const AGEING = COLUMNS.map(([name, cell], i) => [i, cell, name]).filter(([, , name]) => name === "sources" || name === "due");

const wrongOf = (row, ward) => troubles(row, ward).map(({ said }) => said).join();

const RANKS = ["", "low", "medium", "high", "high"];

/** The line of one of whom no twin has spoken. */
const without = (id, letter) => ({
  id, letter, urgency: [0, 0, 0, 0], model: null, time: null, rates: [], levels: [], count: null, concentration: null,
  targets: [], nadir: null, alerts: [], measured: null, due: [], trend: null, notes: [],
});

function refusedLine(letter) {
  const place = ` ${letter.offset === null ? (letter.topic ?? "") : text("ward.place", letter)}`;
  const reason = make("strong", { text: letter.reason, attributes: { lang: AS_TOLD } });
  const detail = make("span", { text: letter.detail, attributes: { lang: AS_TOLD } });
  return make("li", {}, reason, ` ${letter.patient_id ?? text("ward.unknown_patient")}: `, detail, make("small", { text: place }));
}

export class Ward {
  constructor() {
    this.rows = new Map();
    this.drawn = new Map();
    this.dirty = new Set();
    this.ageing = new Set();
    this.sealed = {};
    this.refusedOf = new Map();
    this.heard = new Map();
    this.ordered = [];
    this.clock = null;
    this.letters = [];
    this.ahead = 0;
    this.aged = 0;
    this.working = null;
    this.filters = new Filters(() => this.arrange());
  }

  /** By the console's clock. */
  now = () => Date.now() + this.ahead;

  /** Take in a ward frame; the lines that it changed, and whether these are all there are. */
  take(frame) {
    const all = frame.since === 0;
    const rows = frame.rows.map(inUnits);
    if (all) this.rows.clear();
    for (const row of rows) {
      this.rows.set(row.id, row);
      this.dirty.add(row.id);
    }
    this.clock = frame.clock;
    if (frame.refused !== null) this.refuse(frame.refused, frame.refused_more);
    this.arrange();
    return [rows, all];
  }

  /** Take in when sources were heard. */
  hear(frame) {
    this.ahead = frame.now - Date.now();
    for (const [id, heard] of Object.entries(frame.heard)) {
      this.heard.set(id, heard);
      if (this.drawn.has(id)) this.ageing.add(id);
    }
    this.later();
  }

  /** Take in which twins are sealed. */
  seal(sealed) {
    if (JSON.stringify(sealed) === JSON.stringify(this.sealed)) return;
    for (const id of [...Object.keys(sealed), ...Object.keys(this.sealed)]) this.dirty.add(id);
    this.sealed = sealed;
    this.arrange();
  }

  /** Time has passed: ages are written anew, and who has fallen behind needs somebody. */
  age() {
    if (performance.now() - this.aged < AGED) return;
    this.aged = performance.now();
    let moved = false;
    for (const [id, line] of this.drawn) {
      if (line.wrong !== wrongOf(this.rows.get(id), this)) {
        this.dirty.add(id);
        moved = true;
      } else if (!line.hidden) this.ageing.add(id);
    }
    if (moved) this.arrange();
    else this.later();
  }

  /** Find the order of all lines, then draw those that changed, from the top. */
  arrange() {
    for (const id of [...Object.keys(this.sealed), ...this.refusedOf.keys()]) {
      if (!this.rows.has(id)) {
        this.rows.set(id, without(id, this.refusedOf.get(id)?.[0] ?? null));
        this.dirty.add(id);
      }
    }
    for (const [id, row] of this.rows)
      if (row.letter !== undefined && !this.sealed[id] && !this.refusedOf.has(id)) this.rows.delete(id);
    for (const [id, line] of this.drawn)
      if (!this.rows.has(id)) {
        line.remove();
        this.drawn.delete(id);
      }
    this.ordered = [...this.rows.values()].sort((a, b) => byNeed(a, b, this));
    this.filters.offer([...new Set(this.ordered.flatMap((row) => row.rates.map((rate) => rate.drug)))]);
    for (const id of this.dirty) if (!this.rows.has(id)) this.dirty.delete(id);
    this.summary();
    this.renew();
  }

  /** Draw what changed, as far as a slice of time reaches, and put it where it belongs; the rest follows. */
  renew() {
    const until = performance.now() + SLICE;
    const changed = new Set();
    for (const row of this.ordered) {
      if (this.dirty.size === 0 || performance.now() > until) break;
      if (!this.dirty.delete(row.id)) continue;
      this.ageing.delete(row.id);
      this.draw(row);
      changed.add(this.drawn.get(row.id));
    }
    this.place(changed);
    this.later();
  }

  /** Write anew what only grew older, in slices so short that nothing that changed waits for them. */
  ripen() {
    const until = performance.now() + AGEING_SLICE;
    for (const id of this.ageing) {
      if (performance.now() > until) break;
      this.ageing.delete(id);
      this.grow(id);
    }
    this.later();
  }

  later() {
    clearTimeout(this.working);
    if (this.dirty.size > 0) this.working = setTimeout(() => this.renew());
    else if (this.ageing.size > 0) this.working = setTimeout(() => this.ripen());
  }

  /** Write the ages of a line anew. */
  grow(id) {
    const line = this.drawn.get(id);
    for (const [i, cell] of line ? AGEING : []) {
      const fresh = cell(this.rows.get(id), this);
      if (fresh.textContent !== line.cells[i + 1].textContent) line.cells[i + 1].replaceChildren(fresh);
    }
  }

  draw(row) {
    let line = this.drawn.get(row.id);
    if (!line) {
      const link = make("a", { className: "open", text: row.id, attributes: { href: `#patient/${row.id}` } });
      // Lines are grids: their roles keep them a table to those who listen.
      line = make("tr", { attributes: { "data-patient": row.id, role: "row" } }, make("th", { attributes: { scope: "row", role: "rowheader" } }, link, make("div")));
      for (const [column] of COLUMNS) line.append(make("td", { attributes: { "data-column": column, "data-label": text(`ward.${column}`), role: "cell" } }));
      line.addEventListener("click", (event) => {
        if (!event.target.closest("a") && getSelection().isCollapsed) link.click();
      });
      this.drawn.set(row.id, line);
    }
    line.className = RANKS[need(row, this)] || (row.alerts[0]?.steps.at(-1).severity ?? "");
    line.cells[0].lastChild.replaceChildren(whom(row, this));
    line.wrong = wrongOf(row, this);
    COLUMNS.forEach(([, cell], i) => line.cells[i + 1].replaceChildren(cell(row, this)));
  }

  /** Put the lines that are drawn in order, moving none that need not be: first of all those that `changed`. */
  place(changed) {
    const body = $("ward-rows");
    const focused = document.activeElement;
    let at = body.firstElementChild;
    let shown = 0;
    for (const row of this.ordered) {
      const wanted = this.filters.wants(row, this);
      shown += wanted;
      const line = this.drawn.get(row.id);
      if (!line) continue;
      show(line, wanted);
      while (at && at !== line && changed.has(at)) at = at.nextElementSibling; // it is put elsewhere in its turn
      if (line === at) at = at.nextElementSibling;
      else body.insertBefore(line, at);
    }
    if (focused && focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
    show($("ward-table"), this.rows.size > 0);
    show($("filters"), this.rows.size > 0);
    show($("ward-empty"), this.rows.size === 0);
    this.filters.tell(shown, this.rows.size);
  }

  summary() {
    const rows = [...this.rows.values()];
    const needing = rows.filter((row) => need(row, this) > 0).length;
    const high = rows.filter((row) => need(row, this) >= 3).length;
    const unwatched = rows.filter((row) => troubles(row, this).some(({ severity }) => severity === "high")).length;
    const said = { patients: rows.length, needing, high, unwatched, time: clock(this.clock), zone: zone() };
    write($("ward-summary"), rows.length === 0 ? "" : text("ward.summary", said));
  }

  /** What was refused: of whom no twin speaks it makes a line, of others a word in theirs, and the list has all. */
  refuse(letters, more) {
    this.letters = letters;
    this.refusedOf = Map.groupBy(letters.filter((letter) => letter.patient_id !== null), (letter) => letter.patient_id);
    for (const id of this.refusedOf.keys()) if (this.rows.has(id)) this.dirty.add(id);
    show($("refused"), letters.length > 0);
    write($("refused-summary"), text(more ? "ward.refused_more" : "ward.refused", { n: letters.length }));
    $("refused-list").replaceChildren(...letters.map(refusedLine));
  }
}
