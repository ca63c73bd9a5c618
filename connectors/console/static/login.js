// To log in; then back to what the address named.

import { $, write } from "./dom.js";
import { text } from "./text.js";

const PATIENCE = 30_000;

document.title = text("log_in.page_title");
const form = $("log-in");

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
