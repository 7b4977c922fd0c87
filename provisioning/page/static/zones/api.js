// The page's server. Every answer is JSON or a picture; every fault has words for people.

import { either, say } from "./words.js";

export class ApiError extends Error {
  /** @param code of the server, or "no_link" where nothing came back */
  constructor(code, text, answer = null) {
    super(text);
    this.code = code;
    this.answer = answer;
  }

  get faults() {
    return this.answer?.error?.faults ?? [];
  }
}

const LONGEST_MS = 20_000;

export function get(path) {
  return asked(path, { method: "GET" });
}

export function put(path, body) {
  return asked(path, { method: "PUT", ...asJson(body) });
}

export function post(path, body = {}) {
  return asked(path, { method: "POST", ...asJson(body) });
}

/** A picture as {url, facts: what the agent says of it}; whoever asked gives the url back (URL.revokeObjectURL). */
export async function picture(path) {
  const response = await fetched(path, { method: "GET" });
  if (!response.ok) throw await refused(response);
  return {
    url: URL.createObjectURL(await response.blob()),
    facts: JSON.parse(response.headers.get("X-Picture") ?? "{}"),
  };
}

function asJson(body) {
  const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";
  return {
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(body),
  };
}

async function asked(path, how) {
  const response = await fetched(path, how);
  if (!response.ok) throw await refused(response);
  return response.json();
}

async function fetched(path, how) {
  try {
    return await fetch(path, {
      ...how,
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.timeout?.(LONGEST_MS),
    });
  } catch {
    throw new ApiError("no_link", say("no_link"));
  }
}

async function refused(response) {
  const answer = await response.json().catch(() => null);
  const code = answer?.error?.code ?? `http_${response.status}`;
  const text = either(answer?.error?.text) || say("refused", { status: response.status });
  if (response.status === 401) {
    // The draft is on this phone: nothing is lost by signing in again.
    sessionStorage.setItem("said", text);
    location.assign("/");
  }
  return new ApiError(code, text, answer);
}
