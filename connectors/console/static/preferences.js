// What the reader has chosen: language, time zone and units. Kept with the account, or where nobody logs in by this browser.

const KEPT = "dosetwin.preferences";
const NOTHING = { language: null, zone: null, units: {} };

// The page to log in has nobody whose choice it could be.
const answer = location.pathname.endsWith("/login") ? null : await fetch("api/preferences").catch(() => null);
const told = answer?.ok ? await answer.json() : { kept: false, preferences: NOTHING, units: {}, lines: {} };

function inBrowser() {
  try {
    return { ...NOTHING, ...JSON.parse(localStorage.getItem(KEPT)) };
  } catch {
    return NOTHING;
  }
}

/** The reader's choice: {language, zone, units by kind}; null is as the browser has it. */
export const preferences = told.kept ? told.preferences : inBrowser();

/** The units that may be chosen, by kind, and how values convert: by name and unit {kind, to: {code: [slope, offset]}}. */
export const { units, lines } = told;

/** Where the zone of the browser, or the one that was chosen, is. */
export const zone = preferences.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Keep a choice; the page begins again by it. Throws where it cannot be kept. */
export async function keep(chosen) {
  if (told.kept) {
    const headers = { "content-type": "application/json", "x-dosetwin": "act" };
    const kept = await fetch("api/preferences", { method: "PUT", headers, body: JSON.stringify(chosen) });
    if (!kept.ok) throw new Error((await kept.json()).detail);
  } else localStorage.setItem(KEPT, JSON.stringify(chosen));
  location.reload();
}
