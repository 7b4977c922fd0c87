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

let lost = false;

/** Ask for JSON. Throws Refused, or TypeError where there is no connection. */
export async function ask(path, { method = "GET", body, signal, type = "application/json" } = {}) {
  const options = { method, headers: {}, signal, credentials: "same-origin", cache: "no-store" };
  if (method !== "GET") {
    options.headers["X-CSRF-Token"] = csrf;
    options.headers["Content-Type"] = type;
    options.body = type === "application/json" ? JSON.stringify(body ?? {}) : body;
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    tell(words.no_connection);
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

document.getElementById("language").addEventListener("click", async (event) => {
  await ask("/language", { method: "POST", body: { language: event.currentTarget.dataset.language } });
  location.reload();
});
document.getElementById("sign-out")?.addEventListener("click", async () => {
  await ask("/sign-out", { method: "POST" });
  location.assign("/");
});
