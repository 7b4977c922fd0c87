import { ask, filled, read, words } from "./page.js";
import { showState } from "./state.js";
import { showWalked, walked, zonesToWalk } from "./walked.js";

const says = document.getElementById("says");
const cameras = document.getElementById("cameras");
const commission = document.getElementById("commission");
const AGAIN_MS = 2000;

/** Ask again until the street is empty: people walk on. */
async function take(row, item) {
  for (;;) {
    const told = await ask(`/api/commission/${encodeURIComponent(row.camera_id)}`, { method: "POST" });
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
});

const form = document.getElementById("accept");

function show(told) {
  document.getElementById("stage").textContent = filled(words[`stage_${told.state}`], { seen: told.night_minutes, needed: told.night_needed });
  document.getElementById("form").hidden = !told.form;
  const refused = told.state === "refused" ? filled(words.failed_checks, { codes: told.failed.join("; ") }) : "";
  says.textContent = [refused, told.no_form ? read(told.no_form) : ""].join(" ").trim();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!form.reportValidity()) return;
  const button = form.querySelector("button");
  button.disabled = true;
  says.textContent = "";
  const body = {
    name: form.name.value.trim(),
    person_id: form.person.value || null,
    walked: walked(),
    case_id: sessionStorage.getItem("case_id"),
  };
  try {
    document.getElementById("stage").textContent = words.checking;
    await ask("/api/check", { method: "POST" });
    const told = await ask("/api/acceptance", { method: "POST", body });
    show(told);
    // The installer's rights end with it: nothing is left to be pressed.
    form.hidden = commission.hidden = told.state === "provisional" || told.state === "complete";
  } catch (error) {
    document.getElementById("stage").textContent = "";
    says.textContent = error.message;
  }
  button.disabled = false;
});
document.getElementById("tested").textContent = sessionStorage.getItem("case_id") ? words.tested : words.not_tested;
zonesToWalk().then(showWalked, (error) => (says.textContent = error.message));
ask("/api/acceptance").then(show, (error) => (says.textContent = error.message));

document.getElementById("off").addEventListener("click", async () => {
  try {
    await ask("/api/off", { method: "POST" });
    document.querySelector("main").textContent = words.is_off;
  } catch (error) {
    says.textContent = error.message;
  }
});
showState(document.getElementById("state")).catch((error) => (says.textContent = error.message));
