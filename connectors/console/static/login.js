// To log in, by a password or through a provider of identities; then back to what the address named.

import { $, show, write } from "./dom.js";
import { text } from "./text.js";

const PATIENCE = 30_000;

document.title = text("log_in.page_title");

/** Why a provider's return was no log-in, by the kinds of `connectors.access.oidc.log_in`. */
const WHY = {
  again: text("log_in.why_again"),
  cancelled: text("log_in.why_cancelled"),
  provider: text("log_in.why_provider"),
  name: text("log_in.why_name"),
  role: text("log_in.why_role"),
};

const form = $("log-in");

/** How one may log in here. */
async function offer() {
  const answer = await fetch("api/log-in").catch(() => null);
  const ways = answer?.ok ? await answer.json() : { password: true, provider: null };
  const why = WHY[new URLSearchParams(location.search).get("why")];
  write($("why"), why ? text("log_in.refused", { why }) : "");
  if (ways.provider) {
    write($("provider"), text("log_in.by_provider", { title: ways.provider.title }));
    $("provider").href = ways.provider.address;
  }
  show($("provider"), Boolean(ways.provider));
  show(form, ways.password);
  (ways.provider ? $("provider") : form.elements.name).focus();
}

// The way back is kept here: no address that leaves this page may name a patient.
$("provider").addEventListener("click", () => sessionStorage.setItem("way-back", location.hash));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  $("enter").disabled = true;
  write($("answer"), "");
  try {
    const answer = await fetch("api/session", {
      method: "POST",
      headers: { "content-type": "application/json", "x-dosetwin": "act" },
      body: JSON.stringify(Object.fromEntries(new FormData(form))),
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    location.replace(`./${location.hash}`);
  } catch (error) {
    write($("answer"), text("log_in.refused", { why: error.message }));
    form.elements.password.value = "";
    form.elements.password.focus();
  } finally {
    $("enter").disabled = false;
  }
});

offer();
