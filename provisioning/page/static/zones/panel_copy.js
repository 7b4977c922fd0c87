// Zones of a sister unit or an old site: read from a file, laid on as a proposal, taken over when somebody says so.

import { mirrored, proposal, result } from "./anchoring.js";
import { button, el } from "./dom.js";
import { nameOf, say } from "./words.js";
import { readable, ruleAlone } from "./zones.js";

const LARGEST_BYTES = 1_000_000;

export function copyPanel(page) {
  return el(
    "section",
    { class: "panel", "aria-label": say("copy") },
    el("h2", {}, say("copy_title")),
    el("p", { class: "hint" }, say("copy_hint")),
    page.copyFault ? el("p", { class: "fault", role: "alert" }, page.copyFault) : null,
    el(
      "label",
      { class: "file primary" },
      say("copy_choose"),
      el("input", { type: "file", accept: ".json,application/json", onchange: (event) => read(page, event.target.files[0]) }),
    ),
    ...sources(page).map(([zones, camera]) =>
      button(say("copy_camera", { camera }), () => offer(page, zones, camera), { class: "wide", "data-action": "from-camera" }),
    ),
    button(say("reanchor"), () => reanchor(page), { class: "wide", disabled: page.editor.onCamera.length === 0, "data-action": "reanchor" }),
    el("p", { class: "hint" }, say("reanchor_hint")),
    button(say("cancel"), () => page.open("list"), { class: "quiet wide" }),
  );
}

// A picture's zones belong together: of a file with several cameras, and of this site's others, one is chosen.
function sources(page) {
  const from = page.fileZones ?? page.editor.zones.filter((zone) => zone.camera_id !== page.editor.camera);
  return [...new Set(from.map((zone) => zone.camera_id))].map((camera) => [from, camera]);
}

export function layingPanel(page) {
  const { editor } = page;
  const { zones, lost: laidBeside, cut, folded } = result(editor.laying);
  const { beside = [], unsure = [] } = editor.laying;
  const lost = [...beside, ...laidBeside];
  const names = (list) => list.map(nameOf).join(say("comma"));
  return el(
    "section",
    { class: "panel", "aria-label": say("copy") },
    el("p", { class: "hint" }, say("laying_hint")),
    folded ? el("p", { class: "fault", role: "alert" }, say("laying_folded")) : null,
    lost.length ? el("p", { class: "remark" }, say("laying_lost", { zones: names(lost) })) : null,
    cut.length ? el("p", { class: "remark" }, say("laying_cut", { zones: names(cut) })) : null,
    unsure.length ? el("p", { class: "remark" }, say("laying_unsure", { zones: names(unsure) })) : null,
    editor.laying.unknown ? el("p", { class: "remark" }, say("left_out_kinds", { count: editor.laying.unknown })) : null,
    ...(editor.laying.replaces ? [byPictures(page), page.hasReference ? ghost(page) : null] : [facts(page)]),
    el(
      "div",
      { class: "row" },
      button(say("accept_zones", { count: zones.length }), () => accept(page, zones), {
        class: "primary grow",
        disabled: zones.length === 0,
        "data-action": "accept",
      }),
      button(say("mirror"), () => page.lay(mirrored(editor.laying)), { "data-action": "mirror" }),
      button(say("refuse"), () => page.stopLaying(), { class: "quiet", "data-action": "refuse" }),
    ),
  );
}

function accept(page, zones) {
  const { laying } = page.editor;
  page.stopLaying();
  if (laying.replaces) page.replaceLaid(zones);
  else page.editor.take(laying.keepFacts ? zones : zones.map(ruleAlone));
}

// What the city files is of a piece of ground: of other ground it would be made up.
function facts(page) {
  const { laying } = page.editor;
  return button(say("keep_facts"), () => page.lay({ ...laying, keepFacts: !laying.keepFacts }), {
    class: "wide",
    "aria-pressed": laying.keepFacts ? "true" : "false",
    "data-action": "keep-facts",
  });
}

// The unit compares its reference image with what it sees now: a better beginning, where it is sure of it.
function byPictures(page) {
  if (!page.hasReference) return null;
  const { certainty, fault } = page.editor.laying;
  return el(
    "div",
    {},
    button(say("by_pictures"), () => page.fitByPictures(), { class: "wide", "data-action": "by-pictures" }),
    fault ? el("p", { class: "fault", role: "alert" }, fault) : null,
    certainty ? el("p", { class: "hint" }, say("certainty", { percent: Math.round(100 * certainty) })) : null,
  );
}

// The commissioning picture, faint over the present one: what the old zones were drawn on.
function ghost(page) {
  const slider = el("input", { type: "range", name: "ghost", min: 0, max: 90, value: page.ghost });
  slider.addEventListener("input", () => page.showGhost(Number(slider.value)));
  return el("label", { class: "field" }, el("span", {}, say("ghost")), slider);
}

async function read(page, file) {
  if (file === undefined) return;
  let document = null;
  let fault = file.size > LARGEST_BYTES ? "copy_large" : null;
  if (fault === null) {
    try {
      document = JSON.parse(await file.text());
    } catch {
      fault = "copy_no_json";
    }
  }
  fault ??= readable(document);
  page.copyFault = fault === null ? null : say(fault, { file: file.name });
  page.fileZones = fault === null ? document.zones : null;
  const cameras = new Set((page.fileZones ?? []).map((zone) => zone.camera_id));
  if (cameras.size === 1) offer(page, page.fileZones, [...cameras][0]);
  else page.open("copy");
}

function offer(page, zones, camera) {
  const of = zones.filter((zone) => zone.camera_id === camera);
  const known = of.filter((zone) => page.editor.kinds.has(zone.kind));
  if (known.length === 0) {
    page.copyFault = say("copy_unknown_kinds");
    page.open("copy");
    return;
  }
  page.copyFault = null;
  page.lay({ ...proposal(known), unknown: of.length - known.length, keepFacts: false });
}

function reanchor(page) {
  page.lay({ ...proposal(page.editor.onCamera), replaces: true });
}
