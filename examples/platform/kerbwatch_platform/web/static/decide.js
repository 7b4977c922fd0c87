// Decisions of a reviewer. Each is written down in this browser before it is sent, under an id of its own, and sent
// again until the desk has answered: a slow network, a page that was left or a desk that restarts loses none, and
// the desk takes the same one once.

const bar = document.querySelector("#decide");
const said = document.querySelector("#decided");
const rows = [...document.querySelectorAll("#cases tbody tr")];
const one = document.querySelector("#case");
const csrf = document.querySelector("meta[name=csrf]").content;
const KEPT = bar ? `kerbwatch-decisions-${bar.dataset.account}` : "";
const WAITS_MS = [1000, 2000, 4000, 8000, 15000];
const GIVEN_UP_MS = 20000;
const shownBefore = new Map();
const LIST = "kerbwatch-list";
const decides = bar?.querySelector("[data-do=valid]") != null;
let selected = one;
let undoable = [];
let counting = null;
let tries = 0;
let sending = false;
let timer = 0;

// ---- what is kept -------------------------------------------------------------------------------------------

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? [];
  } catch {
    return [];
  }
}

function keep(change) {
  localStorage.setItem(KEPT, JSON.stringify(change(kept())));
}

const drop = (id) => keep((all) => all.filter((each) => each.fields.decision_id !== id));

// ---- telling ------------------------------------------------------------------------------------------------

function tell(text, kind = "") {
  counting = null;
  said.textContent = text;
  said.className = kind;
}

const words = (name, facts = {}) => bar.dataset[name].replace(/\{(\w+)\}/g, (all, fact) => facts[fact] ?? all);

function target(path) {
  return rows.find((row) => row.dataset.case === path) ?? (one?.dataset.case === path ? one : null);
}

function badge(text, kind) {
  const made = document.createElement("span");
  made.className = `badge ${kind}`;
  made.textContent = text;
  return made;
}

function show(decision, text, kind) {
  const place = target(decision.path)?.querySelector(decision.what === "ticket" ? ".filed" : ".said");
  place?.replaceChildren(badge(text, kind));
}

// ---- sending ------------------------------------------------------------------------------------------------

async function post(path, fields) {
  const gone = AbortSignal.timeout(GIVEN_UP_MS);
  const headers = { accept: "application/json", "x-csrf-token": csrf };
  return fetch(path, { method: "POST", headers, body: new URLSearchParams(fields), signal: gone, keepalive: true });
}

// What an answer says, whether it is the view's own JSON or a page of the desk.
async function saysOf(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).says;
  } catch {
    return new DOMParser().parseFromString(text, "text/html").querySelector(".says")?.textContent ?? String(answer.status);
  }
}

const willComeLater = (status) => status === 408 || status === 429 || status >= 500;

async function flush() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  try {
    for (let next = kept()[0]; next; next = kept()[0]) {
      let answer = null;
      try {
        answer = await post(`${next.path}/${next.what}`, next.fields);
      } catch {
        later();
        return;
      }
      // Who may not decide any more is not signed out: what was kept is told to be refused, and goes.
      if (answer.status === 401 || (answer.status === 403 && decides)) {
        tell(words("signedOut"), "bad");
        return;
      }
      if (willComeLater(answer.status)) {
        later();
        return;
      }
      tries = 0;
      drop(next.fields.decision_id);
      await settle(next, answer);
    }
  } finally {
    sending = false;
  }
}

function later() {
  tell(words("waiting", { count: kept().length }), "warn");
  timer = setTimeout(flush, WAITS_MS[Math.min(tries++, WAITS_MS.length - 1)]);
}

async function settle(decision, answer) {
  if (!answer.ok) {
    show(decision, "!", "bad");
    tell(words("failed", { says: await saysOf(answer) }), "bad");
    return;
  }
  const told = await answer.json();
  const place = target(decision.path);
  show(decision, told.label, decision.what === "ticket" ? "" : "main");
  if (place && decision.what === "verdict") place.dataset.seen = told.number;
  if (place && decision.what === "ticket") place.dataset.ticket = told.label;
  const mine = { path: decision.path, what: decision.what, id: told.decision_id, label: told.label, until: Date.now() + told.undo_s * 1000 };
  undoable.push(mine);
  if (told.other) tell(told.other, "warn");
  else if (!kept().length) {
    tell("");
    counting = mine;
  }
  tick();
}

// Each decision can be taken back for its own seconds, the last one first; those of the one that is told count down.
function tick() {
  const now = Date.now();
  undoable = undoable.filter((each) => each.until > now);
  bar.querySelector("[data-do=undo]")?.toggleAttribute("disabled", !undoable.length);
  if (!counting) return;
  const left = Math.ceil((counting.until - now) / 1000);
  said.textContent = left > 0 ? words("saved", { said: counting.label, seconds: left }) : words("ordered", { said: counting.label });
  if (left <= 0) counting = null;
}

function decide(what, fields) {
  if (!selected) return;
  const place = selected.querySelector(what === "ticket" ? ".filed" : ".said");
  const before = place ? [...place.childNodes].map((node) => node.cloneNode(true)) : [];
  const decision = { path: selected.dataset.case, what, fields: { decision_id: crypto.randomUUID(), ...fields } };
  keep((all) => [...all, decision]);
  show(decision, "…", "");
  shownBefore.set(decision.fields.decision_id, before);
  if (rows.length && what === "verdict") move(1);
  flush();
}

async function undo() {
  const mine = undoable.pop();
  tick();
  if (!mine) return;
  let answer = null;
  try {
    answer = await post(`${mine.path}/undo`, { decision_id: mine.id });
  } catch {
    undoable.push(mine);
    tell(words("waiting", { count: 1 }), "warn");
    return;
  }
  const told = answer.ok ? await answer.json() : { says: await saysOf(answer) };
  tell(told.says, answer.ok ? "" : "bad");
  if (!answer.ok) return;
  const place = target(mine.path);
  place?.querySelector(mine.what === "ticket" ? ".filed" : ".said")?.replaceChildren(...(shownBefore.get(mine.id) ?? []));
  if (place && mine.what === "verdict") place.dataset.seen = told.number;
  if (place && rows.includes(place)) select(place);
}

// ---- choosing -----------------------------------------------------------------------------------------------

// The list that one is in, for this tab: the page of a case leads back to it, and on to its next case.
function list() {
  try {
    return JSON.parse(sessionStorage.getItem(LIST)) ?? {};
  } catch {
    return {};
  }
}

function rowBefore() {
  const { href, cases = [], at } = list();
  if (href !== document.querySelector("#queue").dataset.list) return rows[0];
  const nth = Math.max(0, cases.indexOf(at));
  const still = cases.slice(nth).find(target);
  return still ? target(still) : rows[Math.min(nth, rows.length - 1)];
}

function noteAt(at, all = list()) {
  sessionStorage.setItem(LIST, JSON.stringify({ ...all, at }));
}

function beside(by) {
  const { cases = [] } = list();
  return cases.includes(one.dataset.case) ? cases[cases.indexOf(one.dataset.case) + by] : undefined;
}

function placeInList() {
  if (beside(0)) noteAt(one.dataset.case);
  document.querySelector("#back").href = list().href ?? "/";
  bar.querySelector("[data-do=previous]").hidden = !beside(-1);
  bar.querySelector("[data-do=next]").hidden = !beside(1);
}

function select(row) {
  noteAt(row.dataset.case);
  for (const each of rows) each === row ? each.setAttribute("aria-current", "true") : each.removeAttribute("aria-current");
  selected = row;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function move(by) {
  if (one) {
    location.href = beside(by) ?? location.href;
    return;
  }
  const next = rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(selected) + by))];
  if (next) select(next);
}

async function duplicate() {
  const dialog = document.querySelector("#duplicate");
  const list = document.querySelector("#duplicate-list");
  const mine = selected;
  list.textContent = "…";
  dialog.showModal();
  let found = [];
  try {
    found = (await (await fetch(`${mine.dataset.case}/alike`, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(GIVEN_UP_MS) })).json()).cases;
  } catch {
    found = [];
  }
  if (!dialog.open || selected !== mine) return;
  list.replaceChildren(...found.map((each, at) => pick(each, at + 1)));
  if (!found.length) list.textContent = words("none");
  list.querySelector("button")?.focus();
}

function pick(each, number) {
  const line = document.createElement("li");
  const button = document.createElement("button");
  const key = document.createElement("kbd");
  button.type = "button";
  button.dataset.pick = String(number);
  button.dataset.case = each.case_id;
  key.textContent = String(number);
  button.append(key, ` ${each.opened} · ${each.state} · ${each.place}`);
  line.append(button);
  return line;
}

function picked(button) {
  const dialog = document.querySelector("#duplicate");
  dialog.close();
  if (button.dataset.pick !== "-") decide("verdict", { verdict: "duplicate", of_case: button.dataset.case ?? "", seen: selected.dataset.seen });
}

function ticket() {
  const dialog = document.querySelector("#ticket");
  const field = document.querySelector("#ticket-number");
  field.value = selected.dataset.ticket;
  dialog.returnValue = "";
  dialog.showModal();
  field.select();
}

// ---- wiring -------------------------------------------------------------------------------------------------

const DO = {
  next: () => move(1),
  previous: () => move(-1),
  open: () => (location.href = selected.dataset.case),
  valid: () => decide("verdict", { verdict: "valid", seen: selected.dataset.seen }),
  false: () => decide("verdict", { verdict: "false", seen: selected.dataset.seen }),
  duplicate,
  ticket,
  undo,
};

if (bar) {
  bar.classList.toggle("one", one !== null);
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button && selected) DO[button.dataset.do]();
  });
  for (const row of rows) {
    row.addEventListener("click", (event) => event.target.closest("a") ?? select(row));
    row.addEventListener("dblclick", () => (location.href = row.dataset.case));
  }
  const dialogs = [document.querySelector("#duplicate"), document.querySelector("#ticket")].filter(Boolean);
  for (const dialog of dialogs) {
    // Keys of the page behind it do not act.
    dialog.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const button = dialog.id === "duplicate" ? dialog.querySelector(`[data-pick="${CSS.escape(event.key)}"]`) : null;
      if (button && event.key !== "-") picked(button);
    });
    dialog.addEventListener("click", (event) => {
      const button = event.target.closest("[data-pick]");
      if (button) picked(button);
    });
    dialog.addEventListener("close", () => {
      const number = document.querySelector("#ticket-number").value.trim();
      if (dialog.id === "ticket" && dialog.returnValue === "ok" && number) decide("ticket", { ticket: number, seen: selected.dataset.ticket });
      if (rows.length) selected.focus({ preventScroll: true });
    });
  }
  if (one) placeInList();
  if (rows.length) {
    const first = rowBefore();
    noteAt("", { href: document.querySelector("#queue").dataset.list, cases: rows.map((row) => row.dataset.case) });
    select(first);
  }
  setInterval(tick, 500);
  addEventListener("online", flush);
  addEventListener("storage", (event) => event.key === KEPT && flush());
  for (const each of kept()) show(each, "…", "");
  flush();
}
