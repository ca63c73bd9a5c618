// The inbox: every alert of the ward in one list, the worst and the newest first, to be worked through by keyboard.

import { Item, arrange } from "./alerts.js";
import { isShelved } from "./act.js";
import { alertName, clock, percent, relative } from "./format.js";
import { $, make, severityMark, show, write } from "./dom.js";
import { text } from "./text.js";
import { explanation } from "./units.js";

const RANK = { high: 3, medium: 2, low: 1 };

/** Which alerts a view has; the first has those that wait for somebody. */
export const VIEWS = {
  waiting: ({ step, now }) => step.state !== "acknowledged" && !isShelved(step, now) && step.inhibited_by === null,
  seen: ({ step }) => step.state === "acknowledged",
  aside: ({ step, now }) => isShelved(step, now) || step.inhibited_by !== null,
  all: () => true,
};

/** Keys by which an alert that has the focus is handled. */
const ACTIONS = { a: "acknowledge", s: "shelve", u: "unshelve", c: "comment", t: "retract" };

/** Severity, then the newest onset; the id settles what is equal, so that rows only move for a reason. */
export const byNeed = (a, b) => RANK[b.step.severity] - RANK[a.step.severity] || b.card.onset - a.card.onset || (a.card.id < b.card.id ? -1 : 1);

export class Inbox {
  constructor(rights) {
    this.rights = rights;
    this.entries = new Map();
    this.standing = new Map();
    this.all = [];
    this.view = "waiting";
    this.list = $("inbox-list");
    this.list.addEventListener("keydown", (event) => this.key(event));
    $("keys-open").addEventListener("click", () => $("keys").showModal());
    $("keys-close").addEventListener("click", () => $("keys").close());
    for (const name of Object.keys(VIEWS)) {
      const href = name === "waiting" ? "#inbox" : `#inbox/${name}`;
      $("inbox-views").append(make("a", { attributes: { href, "data-view": name } }, text(`inbox.${name}`), " ", make("span", { className: "count" })));
    }
  }

  open(view) {
    this.view = view in VIEWS ? view : "waiting";
    for (const link of $("inbox-views").children) link.toggleAttribute("aria-current", link.dataset.view === this.view);
    this.draw();
  }

  /** Take in lines of the ward that changed, or `all` that there are, as they stand. */
  take(rows, all, wardClock) {
    if (all) this.standing.clear();
    for (const row of rows) {
      const told = row.alerts.map((card) => ({ card, step: card.steps.at(-1), patient: row.id, now: row.time ?? wardClock }));
      if (told.length > 0) this.standing.set(row.id, told);
      else this.standing.delete(row.id);
    }
    this.all = [...this.standing.values()].flat().sort(byNeed);
    this.draw();
  }

  draw() {
    const waiting = this.all.filter(VIEWS.waiting).length;
    write($("inbox-count"), waiting ? `${waiting}` : "");
    for (const link of $("inbox-views").children) write(link.lastElementChild, `${this.all.filter(VIEWS[link.dataset.view]).length}`);
    if ($("inbox").hidden) return;
    const known = new Set(this.all.map(({ card }) => card.id));
    for (const [id, entry] of this.entries) if (!known.has(id) && !entry.expanded) this.entries.delete(id);
    for (const one of this.all) this.entry(one).draw(one, this.rights());
    for (const [id, entry] of this.entries) if (!known.has(id)) entry.over();
    this.place();
    write($("inbox-summary"), text("inbox.summary", { waiting, all: this.all.length }));
  }

  entry({ card }) {
    if (!this.entries.has(card.id)) this.entries.set(card.id, new Entry(card.id, () => this.place()));
    return this.entries.get(card.id);
  }

  /** Those of the view in order, and what is open: nothing that somebody reads or writes in goes away under their hands. */
  place() {
    const focused = document.activeElement;
    const at = [...this.list.children].findIndex((row) => row.contains(focused));
    const wanted = [...this.entries.values()].filter((entry) => entry.expanded || (entry.told && VIEWS[this.view](entry.told)));
    wanted.sort((a, b) => byNeed(a.told, b.told));
    arrange(this.list, wanted.map((entry) => entry.element));
    show($("inbox-empty"), wanted.length === 0);
    write($("inbox-empty"), text(`inbox.none_${this.view}`));
    if (at < 0 || document.activeElement === focused) return;
    if (this.list.contains(focused)) focused.focus({ preventScroll: true });
    else (this.list.children[Math.min(at, this.list.children.length - 1)]?.querySelector(".pick") ?? $("inbox-title")).focus();
  }

  key(event) {
    const row = event.target.closest("#inbox-list > li");
    const entry = row && this.entries.get(row.dataset.alert);
    if (!entry || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape" && entry.expanded) {
      event.stopPropagation();
      entry.pick.focus();
      entry.toggle(false);
    } else if (event.target === entry.pick && this.shortcut(event.key, row, entry)) event.preventDefault();
  }

  /** What a key does while an alert has the focus, and nowhere else: who writes or dictates elsewhere sets nothing off. */
  shortcut(key, row, entry) {
    const go = (to) => (to?.querySelector(".pick").focus(), true);
    const { list } = this;
    if (key === "ArrowDown" || key === "j") return go(row.nextElementSibling);
    if (key === "ArrowUp" || key === "k") return go(row.previousElementSibling);
    if (key === "Home") return go(list.firstElementChild);
    if (key === "End") return go(list.lastElementChild);
    if (key === "p") return (location.hash = `#patient/${encodeURIComponent(entry.told.patient)}`), true;
    if (key === "e") return entry.explain(), true;
    if (key === "?") return $("keys").showModal(), true;
    if (!(key in ACTIONS)) return false;
    entry.toggle(true);
    entry.item.act.begin(ACTIONS[key]);
    return true;
  }
}

let numbered = 0;

/** One alert: a line that opens on what it says, what can be done about it, why it stands, and what became of it. */
class Entry {
  constructor(id, moved) {
    this.id = id;
    this.moved = moved;
    this.expanded = false;
    this.told = null;
    this.whole = null;
    this.item = new Item(id, "div");
    this.panel = make("div", { className: "panel", attributes: { id: `alert-${++numbered}`, hidden: "" } }, this.item.element);
    this.pick = make("button", { className: "pick", attributes: { type: "button", "aria-expanded": "false", "aria-controls": this.panel.id } });
    this.pick.addEventListener("click", () => this.toggle(!this.expanded));
    this.aside = make("p", { className: "handled" });
    this.link = make("a", { text: text("inbox.open_patient") });
    this.element = make("li", { attributes: { "data-alert": id } }, make("div", { className: "head" }, this.pick, this.aside, this.link), this.panel);
  }

  draw(told, rights) {
    const { card, step, patient, now } = told;
    const before = this.told?.step.revision;
    this.told = told;
    this.rights = rights;
    this.element.className = step.severity;
    this.element.dataset.state = step.state;
    this.link.href = `#patient/${encodeURIComponent(patient)}`;
    this.link.setAttribute("aria-label", text("inbox.open_patient_of", { patient }));
    const facts = [text(`severity.${step.severity}`), text(`state.${step.state}`), step.probability === null ? null : percent(step.probability), relative(card.onset, now)].filter(Boolean).join(" · ");
    if (this.facts !== facts + patient) {
      this.facts = facts + patient;
      this.pick.replaceChildren(severityMark(step.severity), make("strong", { text: patient }), make("span", { text: alertName(card) }), make("span", { className: "soft", text: facts }));
    }
    const done = step.handled ? text(step.handled.reason ? "alerts.done_why" : "alerts.done", { done: text(`done.${step.handled.action}`), by: step.handled.by, reason: step.handled.reason }) : "";
    const until = isShelved(step, now) ? text("alerts.shelved_until", { time: clock(step.shelved_until) }) : "";
    write(this.aside, [done, until].filter(Boolean).join(" · "));
    show(this.aside, Boolean(done || until));
    if (this.expanded) this.drawPanel();
    if (this.expanded && before !== step.revision) this.load();
  }

  /** It is not among those that stand any more, and somebody reads it still. */
  over() {
    this.element.dataset.state = "over";
    if (this.finished) return;
    this.finished = true;
    this.load();
  }

  toggle(open) {
    if (this.expanded === open) return;
    this.expanded = open;
    this.pick.setAttribute("aria-expanded", `${open}`);
    show(this.panel, open);
    if (!open) return this.moved();
    this.item.grounds.element.open = true;
    this.drawPanel();
    this.load();
  }

  explain() {
    this.toggle(true);
    this.item.grounds.element.querySelector("summary").focus();
  }

  /** What is known of it: all of it once it has come, before that its newest word. */
  drawPanel() {
    const { card, now } = this.told;
    const whole = this.whole?.card;
    const newest = whole && whole.steps.at(-1).revision >= card.steps.at(-1).revision ? whole : card;
    this.item.draw(newest, now, this.rights);
  }

  async load() {
    const answer = await fetch(`api/alerts/${encodeURIComponent(this.id)}`).catch(() => null);
    if (!answer?.ok) return;
    this.whole = explanation(await answer.json());
    if (this.expanded) this.drawPanel();
    this.item.grounds.tell(this.whole);
  }
}
