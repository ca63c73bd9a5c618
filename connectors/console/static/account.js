// One's own account: who one is here, and another password.

import { $, show, write } from "./dom.js";
import { text } from "./text.js";

const PATIENCE = 30_000;

document.title = text("account.page_title");

const form = $("change");

async function tell() {
  const answer = await fetch("api/session").catch(() => null);
  if (answer?.status === 401) location.assign("login");
  if (!answer?.ok) return write($("whose"), text("account.silent"));
  const who = await answer.json();
  const may = who.may.map((deed) => text(`account.may_${deed}`)).join(", ");
  write($("whose"), text("account.whose", { name: who.name, role: text(`account.role_${who.role}`), may, patients: who.patients }));
  form.elements.name.value = who.name;
  show(form, who.password);
  show($("outside"), !who.password);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { old, new: chosen, again } = Object.fromEntries(new FormData(form));
  if (chosen !== again) return say(text("account.two_ways"), form.elements.again);
  $("take").disabled = true;
  say("");
  try {
    const answer = await fetch("api/session/password", {
      method: "POST",
      headers: { "content-type": "application/json", "x-dosetwin": "act" },
      body: JSON.stringify({ old, new: chosen }),
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    form.reset();
    await tell();
    say(text("account.changed"));
  } catch (error) {
    say(text("account.refused", { why: error.message }), form.elements.old);
  } finally {
    $("take").disabled = false;
  }
});

function say(words, field) {
  write($("answer"), words);
  field?.focus();
}

tell();
