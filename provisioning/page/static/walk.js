import { ask, filled, read, words } from "./page.js";
import { choose, draw, follow } from "./live.js";
import { keepWalked, showWalked, zonesToWalk } from "./walked.js";

const camera = document.getElementById("camera");
const list = document.getElementById("list");
const steps = document.getElementById("test-steps");
const testSays = document.getElementById("test-says");
const start = document.getElementById("test-case");
const LOOK_EVERY_MS = 1000;

// For the acceptance: in which zones a person was followed for some seconds. A bin that stands there walks nowhere.
const WALKED_S = 2;
let zoneIds = [];
function note(track) {
  if (track.label !== "person") return;
  for (const zone of track.zones) if (zone.inside_s >= WALKED_S) keepWalked(zone.zone_id);
}

function stay(zone) {
  const stands = zone.stands_s === null ? "" : filled(words.stands, { seconds: Math.round(zone.stands_s) });
  return `${filled(words.in_zone, { zone: zone.zone_id, seconds: Math.round(zone.inside_s) })}${stands}`;
}

async function tracks() {
  for (;;) {
    if (camera.value && !document.hidden) {
      try {
        const told = await ask(`/api/walk?camera_id=${encodeURIComponent(camera.value)}`);
        draw(document.getElementById("seen"), told.tracks);
        told.tracks.forEach(note);
        showWalked(zoneIds);
        list.replaceChildren(
          ...told.tracks.slice(0, 20).map((each) => {
            const zones = each.zones.map(stay).join(words.between) || words.in_no_zone;
            const textContent = filled(words.track, { name: each.name, number: each.track_id, zones });
            return Object.assign(document.createElement("li"), { textContent });
          }),
        );
      } catch (error) {
        if (error.code !== "not_yet") document.getElementById("says").textContent = error.message;
      }
    }
    await new Promise((resume) => setTimeout(resume, LOOK_EVERY_MS));
  }
}

function show(told) {
  const done = [
    [words.test_stored, told.stored_at],
    [words.test_sent, told.sent_at],
    [words.test_acknowledged, told.acknowledged_at],
    [told.ticket ? filled(words.test_ticket_is, { ticket: told.ticket }) : words.test_ticket, told.ticket_at],
  ];
  if (told.with_receipts) done.splice(3, 0, [words.test_receipted, told.receipted_at]);
  steps.replaceChildren(
    ...done.map(([text, at]) => Object.assign(document.createElement("li"), { textContent: text, className: at ? "done" : "" })),
  );
  testSays.textContent = told.refused_at ? words.test_refused : told.trouble ? read(told.trouble) : "";
  return told.ticket || told.refused_at;
}

start.addEventListener("click", async () => {
  start.disabled = true;
  testSays.textContent = "";
  try {
    let told = await ask("/api/test-case", { method: "POST" });
    sessionStorage.setItem("case_id", told.case_id);
    while (!show(told)) {
      await new Promise((resume) => setTimeout(resume, LOOK_EVERY_MS));
      told = await ask(`/api/test-case/${encodeURIComponent(told.case_id)}`);
    }
  } catch (error) {
    testSays.textContent = error.message;
  }
  start.disabled = false;
});

await choose(camera).catch((error) => (document.getElementById("says").textContent = error.message));
zonesToWalk().then(
  (found) => (zoneIds = found),
  () => {}, // the list of who is followed says why the agent does not answer
);
follow(camera, document.getElementById("live"), document.getElementById("says"), () => {});
tracks();
