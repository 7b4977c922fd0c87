// The zones of the site: those of the camera that is shown, with what is wrong or odd about each.

import { button, el } from "./dom.js";
import { either, kindName, nameOf, say } from "./words.js";

export function listPanel(page) {
  const { editor, checks } = page;
  const others = editor.zones.filter((zone) => zone.camera_id !== editor.camera);
  // What keeps the draft from going on is shown wherever it lies, also on a camera that is no more.
  const wrong = others.filter((zone) => editor.faults(zone).length || checks.of(zone.zone_id).faults.length);
  return el(
    "section",
    { class: "panel", "aria-label": say("zones") },
    el(
      "div",
      { class: "row" },
      button(say("add_zone"), () => page.open("add"), { class: "primary grow", "data-action": "add-zone" }),
      button(say("copy"), () => page.open("copy"), { "data-action": "copy" }),
    ),
    editor.onCamera.length ? null : el("p", { class: "hint" }, say("nothing_drawn")),
    el("ul", { class: "zones" }, ...editor.onCamera.map((zone) => row(page, zone))),
    others.length ? el("p", { class: "hint" }, say("on_other_cameras", { count: others.length })) : null,
    wrong.length ? el("ul", { class: "zones" }, ...wrong.map((zone) => row(page, zone))) : null,
    ...general(checks),
    button(say("next_dry_run"), () => page.open("dry_run"), { class: "primary wide", disabled: !page.drawable, "data-action": "to-dry-run" }),
    editor.differs
      ? button(say("discard"), () => page.discard(), { class: "quiet wide", "data-action": "discard" })
      : el("p", { class: "hint" }, say("as_applied")),
  );
}

function row(page, zone) {
  const said = page.checks.of(zone.zone_id);
  const wrong = [...page.editor.faults(zone).map((each) => say(each.key, each.facts)), ...said.faults.map(text)];
  const first = wrong[0] ?? (said.remarks.length ? text(said.remarks[0]) : null);
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", class: "zone-row", "data-zone": zone.zone_id, onclick: () => page.choose(zone.zone_id) },
      el("span", { class: `swatch kind-${zone.kind}`, "aria-hidden": "true" }),
      el(
        "span",
        { class: "grow" },
        el("strong", {}, nameOf(zone)),
        el("small", {}, kindName(zone.kind)),
        first ? el("small", { class: wrong.length ? "fault" : "remark" }, first) : null,
      ),
    ),
  );
}

// What is said of no zone in particular, such as that nothing is judged at all.
function general(checks) {
  const of = (list) => list.filter((each) => !each.zone_id);
  return [
    ...of(checks.faults).map((each) => el("p", { class: "fault" }, text(each))),
    ...of(checks.remarks).map((each) => el("p", { class: "remark" }, text(each))),
    checks.state === "silent" ? el("p", { class: "remark" }, say("not_checked", { why: checks.why })) : null,
  ];
}

function text(each) {
  return either(each.text);
}
