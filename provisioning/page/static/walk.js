import { ask, filled, read, words } from "./page.js";
import { choose, draw, follow } from "./live.js";
import { keepTestCase, testCase, Walk } from "./visit.js";

const camera = document.getElementById("camera");
const list = document.getElementById("list");
const steps = document.getElementById("test-steps");
const testSays = document.getElementById("test-says");
const start = document.getElementById("test-case");
const LOOK_EVERY_MS = 1000;

// For the acceptance: in which zones a person was followed for some seconds. A bin that stands there walks nowhere.
const WALKED_S = 2;
const walk = new Walk();
function note(track) {
  if (track.label !== "person") return;
  for (const zone of track.zones) if (zone.inside_s >= WALKED_S) walk.note(zone.zone_id);
}

function stay(zone) {
  const stands = zone.stands_s === null ? "" : filled(words.stands, { seconds: Math.round(zone.stands_s) });
  return `${filled(words.in_zone, { zone: walk.name(zone.zone_id), seconds: Math.round(zone.inside_s) })}${stands}`;
}

async function tracks() {
  for (;;) {
    if (camera.value && !document.hidden) {
      try {
        const told = await ask(`/api/walk?camera_id=${encodeURIComponent(camera.value)}`);
        draw(document.getElementById("seen"), told.tracks);
        if (walk.of === null) await walk.load();
        told.tracks.forEach(note);
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

// The ticket comes within seconds where the platform answers. Whoever waits longer is told what that means.
const SLOW_AFTER_MS = 60_000;
let watched = null;

function show(told, since) {
  const done = [
    [words.test_stored, told.stored_at],
    [words.test_sent, told.sent_at],
    [words.test_acknowledged, told.acknowledged_at],
    [told.ticket ? filled(words.test_ticket_is, { ticket: told.ticket }) : words.test_ticket, told.ticket],
  ];
  if (told.with_receipts) done.splice(3, 0, [words.test_receipted, told.receipted_at]);
  // Of a run of before, the agent knows the ticket and not the way there.
  steps.replaceChildren(
    ...done.map(([text, at]) => Object.assign(document.createElement("li"), { textContent: text, className: at || told.ticket ? "done" : "" })),
  );
  const ended = Boolean(told.ticket || told.refused_at);
  const slow = !ended && Math.abs(Date.now() - since) > SLOW_AFTER_MS;
  start.disabled = !ended && !slow;
  const late = slow ? (told.acknowledged_at ? words.test_unanswered : words.test_unsent) : "";
  const says = told.refused_at ? words.test_refused : [told.trouble ? read(told.trouble) : "", late].filter(Boolean).join(" ");
  if (testSays.textContent !== says) testSays.textContent = says;
  return ended;
}

/** Look until the ticket is there: over a lost link, a restart of the agent, a page that is loaded again. */
async function watch() {
  const { id, at } = testCase();
  watched = id;
  while (id && watched === id) {
    try {
      if (show(await ask(`/api/test-case/${encodeURIComponent(id)}`), at)) return;
    } catch (error) {
      if (error.status === 401) return;
      if (error.code === "not_found") {
        keepTestCase(null);
        steps.replaceChildren();
        testSays.textContent = "";
        start.disabled = false;
        return;
      }
      testSays.textContent = error.message;
    }
    await new Promise((resume) => setTimeout(resume, LOOK_EVERY_MS));
  }
}

start.addEventListener("click", async () => {
  start.disabled = true;
  testSays.textContent = "";
  try {
    const told = await ask("/api/test-case", { method: "POST" });
    keepTestCase(told.case_id);
    watch();
  } catch (error) {
    testSays.textContent = error.message;
    start.disabled = false;
  }
});

watch();
tracks();
await choose(camera, document.getElementById("says"));
follow(camera, document.getElementById("live"), document.getElementById("says"), () => {});
