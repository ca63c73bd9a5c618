// What engineers see to: dead letters, what is held, sources, workers and filters. It asks again every few seconds.

import { clock, number, percent, span, words } from "./format.js";
import { $, make, show, write } from "./dom.js";
import { AS_TOLD, text } from "./text.js";

const AGAIN = 3_000;
const PATIENCE = 60_000;

/** The answer; whoever is not let in any more logs in again. Throws with what the console says. */
async function ask(path, options = {}) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE), ...options });
  if (answer.status === 401) location.assign("login");
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail);
  return said;
}

/** Rows of texts or elements under their heads; drawn anew only where something differs. */
function fill(table, heads, rows) {
  const top = make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { text: head, attributes: { scope: "col" } }))));
  const line = ([first, ...rest]) => make("tr", {}, make("th", { text: first, attributes: { scope: "row" } }), ...rest.map((cell) => make("td", { text: cell })));
  const body = make("tbody", {}, ...rows.map(line));
  if (body.textContent === table.tBodies[0]?.textContent) return;
  table.replaceChildren(top, body);
}

const seconds = (value) => (value === null ? "–" : span(value * 1000));

function drawSources(sources) {
  fill(
    $("sources"),
    [text("engineer.source"), text("engineer.topic"), text("engineer.words"), text("engineer.patients"), text("engineer.newest"), text("engineer.pause"), text("engineer.silent")],
    sources.map((one) => [text(`source.${one.source}`), one.topic, number(one.words), number(one.patients), clock(one.newest), seconds(one.pause), seconds(one.silent)]),
  );
}

function drawWorkers(partitions) {
  fill(
    $("workers"),
    [text("engineer.partition"), text("engineer.worker"), text("engineer.state"), text("engineer.lag"), text("engineer.behind"), text("engineer.barrier"), text("engineer.silent")],
    partitions.map((one) => [`${one.partition}`, one.worker, text(`worker.${one.state}`), number(one.lag), seconds(one.behind_seconds), seconds(one.barrier_seconds), seconds(one.silent)]),
  );
}

/** What a filter suffers from: few particles, or more values outside of what it had expected than a tenth explains. */
function verdict(one) {
  if (one.sealed) return text("filters.sealed", { why: one.sealed });
  const said = [];
  if (one.ess !== null && one.ess < 100) said.push(text("filters.few_particles"));
  if (one.measured >= 5 && one.outside / one.measured > 0.4) said.push(text("filters.surprised"));
  return [...said, ...one.notes].join("; ") || text("filters.well");
}

function drawFilters(filters) {
  filters.sort((a, b) => Boolean(b.sealed) - Boolean(a.sealed) || (a.ess ?? Infinity) - (b.ess ?? Infinity));
  fill(
    $("filter-health"),
    [text("ward.patient"), text("engineer.model"), text("engineer.twin_at"), text("engineer.ess"), text("engineer.values"), text("engineer.outside"), text("engineer.pit"), text("engineer.verdict")],
    filters.map((one) => [one.patient, one.model ? words(one.model) : "–", clock(one.time), number(one.ess), number(one.measured), one.measured ? percent(one.outside / one.measured) : "–", number(one.pit), verdict(one)]),
  );
}

async function look() {
  try {
    const health = await ask("api/mending/health");
    write($("reader"), text(`reader_state.${health.reader.state}`, { records: number(health.reader.records), behind: number(health.reader.behind) }));
    drawSources(health.sources);
    drawWorkers(health.partitions);
    drawFilters(health.filters);
    show($("trouble"), false);
  } catch (error) {
    write($("trouble"), text("engineer.no_answer", { why: error.message }));
    show($("trouble"), true);
  }
  setTimeout(look, AGAIN);
}

async function readHeld() {
  $("read-held").disabled = true;
  write($("held-told"), text("engineer.reading"));
  try {
    const held = await ask("api/mending/held");
    write($("held-told"), text("engineer.held_told", { n: held.length }));
    show($("held"), held.length > 0);
    fill($("held"), [text("ward.patient"), text("engineer.what"), text("engineer.begins"), text("engineer.ends"), text("engineer.event"), text("engineer.why")],
      held.map((one) => [one.patient_id, one.what, one.begins ? clock(one.begins) : "–", one.ends ? clock(one.ends) : "–", one.event_id || "–", one.why]));
  } catch (error) {
    write($("held-told"), error.message);
  }
  $("read-held").disabled = false;
}

/** Whether the chains of the audit hold: all of them are read, which is why it is asked for. */
async function verifyAudit() {
  $("verify-audit").disabled = true;
  write($("audit-told"), text("engineer.verifying"));
  try {
    const chains = await ask("api/mending/audit");
    const faults = chains.flatMap((one) => one.faults);
    write($("audit-told"), chains.length === 0 ? text("engineer.no_chain") : text("engineer.verified", { n: faults.length }));
    show($("audit"), chains.length > 0);
    fill($("audit"), [text("engineer.chain"), text("engineer.links"), text("engineer.not_told"), text("engineer.last_record"), text("engineer.faults")],
      chains.map((one) => [one.chain, number(one.links), number(one.waiting), one.newest === null ? "–" : clock(Date.parse(one.newest)), number(one.faults.length)]));
    show($("audit-faults"), faults.length > 0);
    $("audit-faults").replaceChildren(...faults.map((fault) => make("li", { className: "high", text: fault, attributes: { lang: AS_TOLD } })));
  } catch (error) {
    write($("audit-told"), error.message);
  }
  $("verify-audit").disabled = false;
}

/** A letter with its event, which can be sent again as it came, or mended. */
function letterLine(letter) {
  const place = letter.offset === null ? (letter.topic ?? "") : text("ward.place", letter);
  const line = make("li", { attributes: { "data-place": letter.place } },
    make("p", {}, make("strong", { text: letter.reason, attributes: { lang: AS_TOLD } }), ` ${letter.patient_id ?? text("ward.unknown_patient")} · ${clock(letter.arrived)} · ${place}`),
    make("p", { text: letter.detail, attributes: { lang: AS_TOLD } }));
  if (letter.stays) line.append(make("p", { className: "soft", text: text("engineer.stays", { why: letter.stays }) }));
  else line.append(mendForm(letter));
  return line;
}

function mendForm(letter) {
  const field = make("textarea", { attributes: { rows: "6", spellcheck: "false", lang: AS_TOLD } });
  field.value = letter.original ?? "";
  field.readOnly = !letter.whole;
  const answer = make("p", { className: "answer", attributes: { role: "status" } });
  const button = make("button", { className: "button", text: text("engineer.send_again") });
  const form = make("form", {}, make("label", {}, make("span", { text: text(letter.whole ? "engineer.original" : "engineer.original_cut") }), field), button, answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    write(answer, text("form.sending"));
    const mended = field.value !== letter.original && letter.whole ? { original: field.value } : {};
    try {
      const said = await ask(`api/mending/letters/${letter.place}/resend`, { method: "POST", headers: { "content-type": "application/json", "x-dosetwin": "act" }, body: JSON.stringify(mended) });
      write(answer, text(mended.original ? "engineer.sent_mended" : "engineer.sent", { topic: said.topic }));
    } catch (error) {
      write(answer, text("engineer.not_sent", { why: error.message }));
    }
    button.disabled = false;
  });
  return make("details", {}, make("summary", { text: text("engineer.mend") }), form);
}

/** Letters are read once: what somebody mends stays as they left it. */
async function readLetters() {
  try {
    const letters = await ask("api/mending/letters");
    write($("letters-told"), text("engineer.letters_told", { n: letters.length }));
    $("letters").replaceChildren(...letters.map(letterLine));
  } catch (error) {
    write($("letters-told"), error.message);
  }
}

document.title = text("engineer.page_title");
$("read-held").addEventListener("click", readHeld);
$("verify-audit").addEventListener("click", verifyAudit);
readLetters();
look();
