// What the acceptance takes along from the walk test. The phone keeps it until somebody signs in again: all devices have
// the same address, and what was walked at one of them says nothing about the next.

import { ask, filled, words } from "./page.js";

/** The zones that were walked through, as the acceptance is told. */
export function walked() {
  return JSON.parse(sessionStorage.getItem("walked") || "{}");
}

export function keepWalked(zoneId) {
  sessionStorage.setItem("walked", JSON.stringify({ ...walked(), [zoneId]: "passed" }));
}

/** The zones in which the acceptance asks for a walk. */
export async function zonesToWalk() {
  const { zones, kinds } = await ask("/api/configuration");
  const judged = new Set(kinds.filter((each) => each.judged).map((each) => each.kind));
  return zones.filter((each) => judged.has(each.kind)).map((each) => each.zone_id);
}

/** Say which of the zones were walked through, and which were not. */
export function showWalked(zoneIds) {
  const done = walked();
  const told = (id, text, zones) =>
    (document.getElementById(id).textContent = zones.length ? filled(text, { zones: zones.join(words.between) }) : "");
  told("walked", words.walked, zoneIds.filter((each) => done[each]));
  told("not-walked", words.not_walked, zoneIds.filter((each) => !done[each]));
}
