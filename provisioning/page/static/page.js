// What every view needs: asking the server, telling what went wrong, language, signing out.

export const words = JSON.parse(document.getElementById("page-words").textContent);
const csrf = document.querySelector("meta[name=csrf]").content;
const banner = document.getElementById("banner");
const chinese = document.documentElement.lang.startsWith("zh");

/** A text of the server's that comes in both languages. */
export function read(text) {
  return typeof text === "string" ? text : text[chinese ? "zh" : "en"];
}

/** A text with its {names} filled in. */
export function filled(text, facts) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in facts ? facts[name] : whole));
}

/** What the server refused, with its words. */
export class Refused extends Error {
  constructor(status, answer) {
    super(read(answer.error.text));
    this.status = status;
    this.code = answer.error.code;
    this.faults = answer.error.faults || [];
    this.answer = answer;
  }
}

/** Nothing came back: the phone is out of reach, or was locked. */
export class NoLink extends Error {
  constructor() {
    super(words.no_connection);
  }
}

/** The longest that an answer takes; what the device does for minutes is given SLOW_MS. */
const LONGEST_MS = 30_000;
export const SLOW_MS = 300_000;
let lost = false;

/** Fetch something. Throws NoLink where it does not come: a phone that walks away is told nothing by its radio. */
export async function fetched(path, { longest = LONGEST_MS, ...options } = {}) {
  try {
    return await fetch(path, { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout?.(longest), ...options });
  } catch {
    throw new NoLink();
  }
}

/** Ask for JSON. Throws Refused, or NoLink where there is no connection. */
export async function ask(path, { method = "GET", body, longest } = {}) {
  const options = { method, longest };
  if (method !== "GET") {
    options.headers = { "X-CSRF-Token": csrf, "Content-Type": "application/json" };
    options.body = JSON.stringify(body ?? {});
  }
  let response;
  try {
    response = await fetched(path, options);
  } catch (error) {
    tell(error.message);
    lost = true;
    throw error;
  }
  if (response.status === 401) {
    const answer = await response.json();
    sessionStorage.setItem("said", read(answer.error.text));
    location.assign("/");
    throw new Refused(401, answer);
  }
  if (!response.ok) {
    let answer;
    try {
      answer = await response.json();
    } catch {
      answer = { error: { code: String(response.status), text: words.failed } };
    }
    throw new Refused(response.status, answer);
  }
  // What is asked by itself, again and again, takes nothing away that somebody has to read.
  if (lost || method !== "GET") tell("");
  lost = false;
  return response.status === 204 ? null : response.json();
}

/** Say something above the view; nothing takes it away. */
export function tell(text) {
  banner.textContent = text;
  banner.hidden = !text;
}

// What keeps either from being done is said above the view.
const refused = (error) => tell(error.message);
document.getElementById("language").addEventListener("click", (event) => {
  const body = { language: event.currentTarget.dataset.language };
  ask("/language", { method: "POST", body }).then(() => location.reload(), refused);
});
document.getElementById("sign-out")?.addEventListener("click", () => {
  ask("/sign-out", { method: "POST" }).then(() => location.assign("/"), refused);
});
