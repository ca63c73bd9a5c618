// Who needs somebody now: alerts that nobody has seen to, and twins that watch over nobody.

import { span } from "./format.js";
import { text } from "./text.js";

/** Twins of most models speak hourly, each at a minute of its own: a quarter more than that is late (ms). */
const BEHIND = 75 * 60_000;
const DAY = 86_400_000;

export const behind = (row, ward) => row.time !== null && ward.clock - row.time > BEHIND;

/** What is wrong with the twin itself: [{severity, said, detail}], the worst first. */
export function troubles(row, ward) {
  const found = [];
  const sealed = ward.sealed[row.id];
  if (sealed) found.push({ severity: "high", said: text("ward.sealed", { why: sealed }) });
  else if (row.letter) found.push({ severity: "high", said: text("ward.no_twin", { why: row.letter.reason }), detail: row.letter.detail });
  if (behind(row, ward)) found.push({ severity: ward.clock - row.time > DAY ? "medium" : "low", said: text("ward.behind", { span: span(ward.clock - row.time) }) });
  return found;
}

/** How much a patient needs somebody: 4 no twin lives, 3 to 1 an alert that waits by its severity or a twin that lags, 0 none. */
export function need(row, ward) {
  if (ward.sealed[row.id] || row.letter) return 4;
  return Math.max(row.urgency[0], behind(row, ward) ? 1 : 0);
}

/** Most needed first, then by urgency; the patient's id settles what is equal, so that rows only move for a reason. */
export function byNeed(a, b, ward) {
  const first = need(b, ward) - need(a, ward);
  if (first !== 0) return first;
  for (let i = 0; i < a.urgency.length; i++) if (a.urgency[i] !== b.urgency[i]) return b.urgency[i] - a.urgency[i];
  return IN_ORDER.compare(a.id, b.id);
}

const IN_ORDER = new Intl.Collator("en", { numeric: true });
