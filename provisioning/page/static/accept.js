import { ask, filled, read, SLOW_MS, words } from "./page.js";
import { followState } from "./state.js";
import { keepTestCase, testCase, Walk } from "./visit.js";

const says = document.getElementById("says");
const cameras = document.getElementById("cameras");
const commission = document.getElementById("commission");
const anyway = document.getElementById("anyway");
const parked = document.getElementById("parked");
const AGAIN_MS = 2000;
const TRIES_BEFORE_ANYWAY = 5;

/** Ask again until the street is empty: people walk on. Vehicles may stand there for good: then somebody says so. */
async function take(row, item) {
  anyway.checked = false;
  for (let tries = 1, onlyVehicles = false; ; tries += 1) {
    const body = { anyway: anyway.checked && onlyVehicles };
    const path = `/api/commission/${encodeURIComponent(row.camera_id)}`;
    const told = await ask(path, { method: "POST", body, longest: SLOW_MS });
    onlyVehicles = told.found.vehicle > 0 && !told.found.person;
    parked.hidden = told.stored || tries < TRIES_BEFORE_ANYWAY || !(onlyVehicles || anyway.checked);
    item.textContent = `${row.camera_id}: ${told.stored ? words.taken : read(told.because)}`;
    item.className = told.stored ? "done" : "";
    if (told.stored) return;
    await new Promise((resume) => setTimeout(resume, AGAIN_MS));
  }
}

commission.addEventListener("click", async () => {
  commission.disabled = true;
  says.textContent = "";
  try {
    const rows = await ask("/api/cameras");
    cameras.replaceChildren();
    for (const row of rows) {
      const item = cameras.appendChild(document.createElement("li"));
      item.textContent = `${row.camera_id}: ${words.being_taken}`;
      await take(row, item);
    }
  } catch (error) {
    says.textContent = error.message;
  }
  commission.disabled = false;
  parked.hidden = true;
});

const form = document.getElementById("accept");

let formAlone = false;

function show(told) {
  document.getElementById("stage").textContent = filled(words[`stage_${told.state}`], { seen: told.night_minutes, needed: told.night_needed });
  document.getElementById("form").hidden = !told.form;
  // Where the installer's rights have ended, nothing is left to be pressed; but a form that failed is made again.
  formAlone = Boolean(told.no_form);
  commission.hidden = told.rights === "none";
  form.hidden = commission.hidden && !formAlone;
  form.querySelector("button").textContent = formAlone ? words.form_again : words.sign;
  const refused = told.state === "refused" ? filled(words.failed_checks, { codes: told.failed.join(words.between) }) : "";
  const text = [refused, told.no_form ? read(told.no_form) : ""].join(" ").trim();
  if (text) says.textContent = text;
}

// In the page's own words: those of the browser are in the phone's language.
function wrong() {
  if (!form.name.value.trim()) return [form.name, words.no_name];
  return form.person.validity.valid ? null : [form.person, words.id_is];
}

/** Check once more, and have it recorded. */
async function accepted(name) {
  document.getElementById("stage").textContent = words.checking;
  if (walk.of === null) await walk.load();
  await ask("/api/check", { method: "POST", longest: SLOW_MS });
  const body = { name, person_id: form.person.value || null, walked: walk.walked, case_id: testCase().id };
  return ask("/api/acceptance", { method: "POST", body, longest: SLOW_MS });
}

function printed(name) {
  return ask("/api/acceptance-form", { method: "POST", body: { name, case_id: testCase().id }, longest: SLOW_MS });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fault = wrong();
  if (fault) {
    says.textContent = fault[1];
    return fault[0].focus();
  }
  const button = form.querySelector("button");
  button.disabled = true;
  says.textContent = "";
  const name = form.name.value.trim();
  try {
    show(await (formAlone ? printed(name) : accepted(name)));
  } catch (error) {
    document.getElementById("stage").textContent = "";
    says.textContent = error.message;
  }
  button.disabled = false;
});
const walk = new Walk();
const tested = document.getElementById("tested");

/** How far the test case is; one that the device does not know is not taken along. */
async function showTested() {
  const { id } = testCase();
  tested.textContent = id ? words.tested : words.not_tested;
  if (!id) return;
  try {
    const { ticket } = await ask(`/api/test-case/${encodeURIComponent(id)}`);
    if (ticket) tested.textContent = filled(words.tested_ticket, { ticket });
  } catch (error) {
    if (error.code !== "not_found") throw error;
    keepTestCase(null);
    tested.textContent = words.not_tested;
  }
}

/** What stands here is asked for until the agent has said it. */
async function load() {
  for (let said = ""; ; ) {
    try {
      const [told] = await Promise.all([ask("/api/acceptance"), walk.load(), showTested()]);
      if (says.textContent === said) says.textContent = ""; // and nothing that somebody else has said
      return show(told);
    } catch (error) {
      says.textContent = said = error.message;
      await new Promise((resume) => setTimeout(resume, AGAIN_MS));
    }
  }
}
load();

document.getElementById("off").addEventListener("click", async () => {
  try {
    await ask("/api/off", { method: "POST" });
    document.querySelector("main").textContent = words.is_off;
  } catch (error) {
    says.textContent = error.message;
  }
});
followState(document.getElementById("state"));
