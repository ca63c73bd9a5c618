// What stopped, where something did: the page's own connection, Kafka, the console's reader, the workers, or a feed.

import { span } from "./format.js";
import { text } from "./text.js";

/** Ms without a word from the console, which says one every second, after which the page stands still. */
export const STALE = 3_500;

/**
 * {what, said} of the first link of the chain that is broken, counted from the page; null while all is well.
 * silent: ms since the last frame (null: none yet); open: whether the socket is.
 */
export function stoppedAt({ silent, open, reader, pulse, feed }) {
  if (silent === null) return null;
  if (!open || silent > STALE) return { what: "page", said: text("link.silent", { span: span(silent) }) };
  if (reader.state === "unreachable") return { what: "kafka", said: text("reader.unreachable") };
  if (reader.state !== "live") return { what: "reader", said: text(`reader.${reader.state}`) };
  if (pulse.level > 0 && !pulse.some) return { what: "worker", said: "" };
  if (feed.level > 0) return { what: "feed", said: "" };
  return null;
}
