// The connection and what follows from it: frames in, the ward or one patient shown, and how old all of this is.

import { offer } from "./choices.js";
import { span } from "./format.js";
import { $, show, write } from "./dom.js";
import { Inbox } from "./inbox.js";
import { News } from "./news.js";
import { Patient } from "./patient.js";
import { layBack, layOut } from "./sheet.js";
import { Sound } from "./sound.js";
import { STALE, stoppedAt } from "./stopped.js";
import { text } from "./text.js";
import { drawTroubles } from "./troubles.js";
import { Ward } from "./ward.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const DEAD = 20_000;
const STIR = 60_000;
const VENDOR = "npm run --prefix connectors/console vendor";

const ward = new Ward();
const news = new News();
const sound = new Sound($("sound"), $("sound-waits"));
let patient = null;
let socket = null;
let wait = FIRST_WAIT;
let lastFrame = null;
let reader = { state: "starting" };
let pulses = { ward: { level: 0, text: "" }, watched: null, feed: { level: 0, text: "" } };
let rights = { who: null, acts: false, asks: false, boards: null };
let sealed = {};
let view = null;
let stirred = performance.now();
let leaving = false;

const inbox = new Inbox(() => rights);

function connect() {
  const address = new URL("live", location.href.split("#")[0]);
  address.protocol = address.protocol.replace("http", "ws");
  const own = new WebSocket(address);
  socket = own;
  own.onopen = () => {
    wait = FIRST_WAIT;
    watch();
  };
  own.onmessage = (event) => {
    if (own !== socket) return;
    lastFrame = performance.now();
    take(JSON.parse(event.data));
    age();
  };
  own.onclose = () => {
    if (own !== socket) return;
    socket = null;
    checkSession();
    setTimeout(connect, wait * (0.75 + Math.random() / 2));
    wait = Math.min(2 * wait, LONGEST_WAIT);
    age();
  };
}

function take(frame) {
  if (frame.type === "ward") {
    const [rows, all] = ward.take(frame);
    inbox.take(rows, all, ward.clock);
    announce(rows, all);
    if (frame.refused !== null) drawTroublesOf();
  } else if (frame.type === "heard") {
    ward.hear(frame);
  } else if (frame.type === "patient") {
    if (patient && frame.row.id === patient.id) patient.take(frame);
  } else if (frame.type === "absent") {
    patient?.absent(frame.near ? text("patient.absent_near", { id: patient.id, near: frame.near }) : text("patient.absent", { id: patient.id }));
  } else if (frame.type === "status") {
    reader = frame.reader;
    const before = JSON.stringify(rights);
    rights = { who: frame.who, acts: frame.acts, asks: frame.asks, boards: frame.boards };
    if (JSON.stringify(rights) !== before) inbox.draw();
    sealed = frame.sealed;
    drawTroublesOf();
    show($("export"), frame.exports);
    write($("who"), frame.who ?? "");
    show($("whoever"), frame.who !== null);
    patient?.drawAlerts();
    patient?.drawAdvice();
    patient?.drawBoards();
    pulses = { ward: frame.pulse, watched: frame.watched, feed: frame.feed };
    show($("to-engineer"), frame.mends);
    ward.seal(frame.sealed);
  }
}

const toLogIn = () => location.assign(`login${location.hash}`);

/** Whoever is not let in any more logs in again; of a console that does not answer nobody can tell. */
async function checkSession() {
  const answer = await fetch("api/session").catch(() => null);
  if (answer?.status === 401 && !leaving) toLogIn();
}

async function logOut() {
  leaving = true; // the page's socket is closed too, which must not lead elsewhere
  const answer = await fetch("api/session", { method: "DELETE", headers: { "x-dosetwin": "act" } }).catch(() => null);
  leaving = answer !== null;
  if (answer?.status === 200) location.assign((await answer.json()).go);
  else if (answer) toLogIn();
}

/** Who reads on, or moves about, is not idle. */
function stir() {
  if (performance.now() - stirred < STIR) return;
  stirred = performance.now();
  watch();
}

/** The pulse of what is looked at: of the patient's twin, or the worst of the ward. */
const pulse = () => (patient ? (pulses.watched ?? pulses.ward) : pulses.ward);

/** A twin that stands still says so, the louder the longer: in the lamp, in a banner, as an alarm and in the title. */
function drawPulse() {
  const { level, text: said } = pulse();
  const banner = $("pulse");
  write(banner, level > 0 ? said : "");
  show(banner, level > 0);
  banner.dataset.level = level;
  banner.setAttribute("role", level > 1 ? "alert" : "status");
  const name = patient ? `${patient.id} · dosetwin` : text("page.title");
  write($("feed"), pulses.feed.level > 0 ? pulses.feed.text : "");
  show($("feed"), pulses.feed.level > 0);
  const titled = level > 1 ? text("page.title_still", { name }) : name;
  if (document.title !== titled) document.title = titled;
}

/** Say what is new to screen readers, and call by a sound who wants one; what is there on arrival is not news. */
function announce(rows, all) {
  const { said, calls } = news.take(rows, all);
  if (reader.state !== "live" || said.length === 0) return;
  write($("announce"), said.join(". "));
  if (calls) sound.ring(calls);
}

/** What keeps twins from moving: of the whole ward in the inbox, of one patient on its page. */
function drawTroublesOf() {
  drawTroubles($("inbox-troubles"), sealed, ward.letters);
  if (patient) drawTroubles($("patient-troubles"), sealed, ward.letters, patient.id);
}

function watch() {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: patient?.id ?? null }));
}

/** The patient that the address names, "#patient/P-1"; none where it is cut within a "%2F". */
function addressed() {
  const id = /^#patient\/(.+)$/.exec(location.hash)?.[1];
  try {
    return id ? decodeURIComponent(id) : null;
  } catch {
    return null;
  }
}

/** The view of the inbox that the address names, "#inbox" or "#inbox/seen"; null of another page. */
const inboxView = () => /^#inbox(?:\/(\w+))?$/.exec(location.hash)?.slice(1).map((name) => name ?? "")[0] ?? null;

/** Show what the address names: a patient, the inbox, or the ward. */
function route() {
  const id = addressed();
  patient?.close();
  const before = patient?.id;
  const inboxBefore = view;
  view = id ? null : inboxView();
  patient = id ? new Patient(id, () => rights) : null;
  if (id) $("back").href = inboxBefore === null ? (before ? $("back").hash : ward.filters.address()) : `#inbox${inboxBefore && `/${inboxBefore}`}`;
  show($("ward"), !patient && view === null);
  show($("inbox"), view !== null);
  for (const [link, current] of [["to-ward", !patient && view === null], ["to-inbox", view !== null]])
    current ? $(link).setAttribute("aria-current", "page") : $(link).removeAttribute("aria-current");
  if (view !== null) inbox.open(view);
  drawTroublesOf();
  show($("patient"), Boolean(patient));
  pulses.watched = null;
  drawPulse();
  if (!patient && view === null) ward.filters.read(location.hash);
  for (const id of ["home", "to-ward"]) $(id).href = ward.filters.address();
  if (patient) $("patient-title").focus({ preventScroll: true });
  else if (view !== null) (inboxBefore === null ? $("inbox-title") : document.querySelector("#inbox-views [aria-current]"))?.focus();
  else if (before) document.querySelector(`#ward a[href="#patient/${CSS.escape(before)}"]`)?.focus();
  scrollTo(0, 0);
  watch();
}

function age() {
  const silent = lastFrame === null ? null : performance.now() - lastFrame;
  const open = socket?.readyState === WebSocket.OPEN;
  const reads = reader.state === "live" && silent !== null && silent <= STALE;
  const state = silent === null ? "connecting" : !open ? "offline" : !reads ? "stale" : pulse().level > 0 ? "still" : "live";
  drawPulse();
  $("link").dataset.state = state;
  const link = text(`link.${state}`);
  write($("link-text"), silent === null ? link : text("link.since", { link, span: span(silent) }));
  const stopped = stoppedAt({ silent, open, reader, pulse: pulse(), feed: pulses.feed });
  document.body.dataset.stopped = stopped?.what ?? "";
  const banner = window.uPlot ? (stopped?.said ?? "") : text("page.no_charts", { command: VENDOR });
  write($("banner"), banner);
  show($("banner"), banner !== "" && silent !== null);
  if (!$("ward").hidden) ward.age();
  if (open && silent > DEAD) socket.close();
}

offer($("chosen"));
$("print").addEventListener("click", () => print());
addEventListener("beforeprint", () => patient && layOut(patient));
addEventListener("afterprint", () => layBack(patient));
addEventListener("hashchange", route);
for (const kind of ["pointerdown", "keydown", "scroll"]) addEventListener(kind, stir, { passive: true });
$("log-out").addEventListener("click", logOut);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && patient && !event.defaultPrevented) location.hash = $("back").hash;
});
for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"])
  matchMedia(query).addEventListener("change", () => patient?.rebuild());
setInterval(age, 500);
route();
connect();
