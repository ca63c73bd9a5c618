// What is new of the alerts from one frame to the next: what began, grew worse or is over, and what others did.

import { alertName } from "./format.js";
import { text } from "./text.js";

const RANK = { low: 1, medium: 2, high: 3 };
const DONE = ["acknowledged", "shelved", "unshelved", "commented"];
const MOST = 5;

export class News {
  constructor() {
    this.known = null;
  }

  /**
   * What is new in lines that changed, or in `all` there are: `said`, sentences for those who listen, and `calls`, the
   * worst severity of what calls for somebody, or null. What is there on arrival is not news.
   */
  take(rows, all) {
    const before = this.known;
    this.known = all || before === null ? new Map() : before;
    const found = { said: [], calls: null };
    for (const row of rows) {
      const old = before?.get(row.id) ?? [];
      this.known.set(row.id, row.alerts);
      if (before !== null) compare(row.id, old, row.alerts, found);
    }
    if (all && before !== null) for (const [id, old] of before) if (!this.known.has(id)) compare(id, old, [], found);
    return { said: found.said.slice(0, MOST), calls: found.calls };
  }
}

function compare(patient, before, now, found) {
  const name = (card) => `${patient}: ${alertName(card)}`;
  const newest = new Map(before.map((card) => [card.id, card.steps.at(-1)]));
  for (const card of now) {
    const step = card.steps.at(-1);
    const old = newest.get(card.id);
    newest.delete(card.id);
    if (old?.revision === step.revision) continue;
    const phase = !old ? "begun" : RANK[step.severity] > RANK[old.severity] ? "worse" : step.phase;
    if (phase === "begun" || phase === "worse") {
      found.said.push(text(`news.${phase}`, { name: name(card), severity: text(`severity.${step.severity}`) }));
      const quiet = step.shelved_until !== null || step.inhibited_by !== null;
      if (!quiet && (RANK[found.calls] ?? 0) < RANK[step.severity]) found.calls = step.severity;
    } else if (DONE.includes(phase) && step.handled) found.said.push(text("news.done", { name: name(card), done: text(`phase.${phase}`), by: step.handled.by }));
  }
  for (const card of before) if (newest.has(card.id)) found.said.push(text("news.over", { name: name(card) }));
}
