// The words of this page, in the reader's language, as the server wrote them into it.

const WORDS = JSON.parse(document.getElementById("page-words").textContent);
export const LANGUAGE = document.documentElement.lang.startsWith("zh") ? "zh" : "en";

/** A text with its facts filled in. A key that nobody knows is shown as it is: a test finds it. */
export function say(key, facts = {}) {
  const text = WORDS[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in facts ? String(facts[name]) : whole));
}

/** What the server says in both languages, or in the one that it has. */
export function either(text) {
  if (typeof text === "string") return text;
  return text?.[LANGUAGE] ?? text?.zh ?? text?.en ?? "";
}

/** What people call a kind of zones; a kind that these words do not know has its name of the configuration. */
export function kindName(kind) {
  return WORDS[`kind_${kind}`] ?? kind;
}

/** What people call a kind of case. */
export function caseName(kind) {
  return WORDS[`case_${kind}`] ?? kind;
}

/** Where it is drawn, and what it does. */
export function kindSays(kind) {
  return WORDS[`says_${kind}`] ?? "";
}

/** What people call a zone, else its id. */
export function nameOf(zone) {
  return either(zone.name) || zone.zone_id;
}

/** Seconds, as one reads them. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.round(seconds);
  if (whole < 120) return say("seconds", { count: whole });
  if (whole < 7200) return say("minutes", { count: Math.round(whole / 6) / 10 });
  return say("hours", { count: Math.round(whole / 360) / 10 });
}
