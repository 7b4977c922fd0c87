import { fetched, filled, read, tell, words } from "./page.js";
import { choose, draw, follow } from "./live.js";
import { followState, identify } from "./state.js";

const camera = document.getElementById("camera");
const ghost = document.getElementById("ghost");
const showGhost = document.getElementById("show-ghost");
const showSeen = document.getElementById("show-seen");
const percent = (share) => `${Math.round(share * 100)} %`;

function figure(id, text, state, says) {
  const box = document.getElementById(id);
  box.className = `figure ${state}`;
  box.querySelector("output").textContent = text;
  box.querySelector(".says").textContent = says;
}

function aim({ aim, view, commissioned }) {
  if (!commissioned || aim.alike_share === null) return figure("aim", "–", "", words.no_reference);
  const good = view !== "moved" && aim.alike_share >= 0.8;
  const moved = aim.moved_by !== null && Math.round(aim.moved_by * 100) > 0;
  const says = moved ? filled(words.moved_by, { share: percent(aim.moved_by) }) : words.moved;
  figure("aim", percent(aim.alike_share), good ? "good" : view === "moved" ? "bad" : "warn", good ? words.as_commissioned : says);
}

function focus({ aim }) {
  if (aim.sharpness_share === null) return figure("focus", aim.sharpness.toFixed(1), "", words.turn_to_the_largest);
  const state = aim.sharpness_share >= 0.8 ? "good" : aim.sharpness_share >= 0.5 ? "warn" : "bad";
  figure("focus", percent(aim.sharpness_share), state, state === "good" ? words.sharp : words.blurred);
}

function light({ aim }) {
  let [state, says] = ["good", words.well_lit];
  if (aim.burnt_share > 0.1) [state, says] = ["warn", words.burnt];
  if (aim.black_share > 0.4 || aim.brightness < 30) [state, says] = ["warn", words.dark];
  figure("light", Math.round(aim.brightness), state, says);
}

function seen(facts) {
  draw(document.getElementById("seen"), showSeen.checked ? facts.seen : []);
  const list = document.getElementById("list");
  list.replaceChildren(
    ...facts.seen.slice(0, 12).map((each) => Object.assign(document.createElement("li"), { textContent: `${each.name} ${percent(each.confidence)}` })),
  );
}

async function loadGhost() {
  ghost.hidden = !showGhost.checked;
  if (ghost.hidden) return;
  try {
    const response = await fetched(`/api/reference/${encodeURIComponent(camera.value)}`);
    if (!response.ok) throw new Error(read((await response.json()).error.text));
    ghost.src = URL.createObjectURL(await response.blob());
  } catch (error) {
    showGhost.checked = false;
    ghost.hidden = true;
    tell(error.message);
  }
}

document.getElementById("identify").addEventListener("click", identify);
showGhost.addEventListener("change", loadGhost);
camera.addEventListener("change", loadGhost);
followState(document.getElementById("state"));
await choose(camera, document.getElementById("says"));
follow(camera, document.getElementById("live"), document.getElementById("says"), (facts) => {
  aim(facts);
  focus(facts);
  light(facts);
  seen(facts);
});
