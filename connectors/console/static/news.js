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
   * What is new: `said`, sentences for those who listen, and `calls`, the worst severity of what calls for somebody, or
   * null. What is there on arrival is not news.
   */
  take(rows) {
    const now = new Map();
    for (const row of rows) for (const card of row.alerts) now.set(card.id, { name: `${row.id}: ${alertName(card)}`, step: card.steps.at(-1) });
    const before = this.known;
    this.known = now;
    if (before === null) return { said: [], calls: null };
    const said = [];
    let calls = null;
    for (const [id, { name, step }] of now) {
      const old = before.get(id)?.step;
      if (old?.revision === step.revision) continue;
      const phase = !old ? "begun" : RANK[step.severity] > RANK[old.severity] ? "worse" : step.phase;
      if (phase === "begun" || phase === "worse") {
        said.push(text(`news.${phase}`, { name, severity: text(`severity.${step.severity}`) }));
        const quiet = step.shelved_until !== null || step.inhibited_by !== null;
        if (!quiet && (RANK[calls] ?? 0) < RANK[step.severity]) calls = step.severity;
      } else if (DONE.includes(phase) && step.handled) said.push(text("news.done", { name, done: text(`phase.${phase}`), by: step.handled.by }));
    }
    for (const [id, { name }] of before) if (!now.has(id)) said.push(text("news.over", { name }));
    return { said: said.slice(0, MOST), calls };
  }
}
