// Apply, then confirm or go back.

import { button, el } from "./dom.js";
import { nameOf, say } from "./words.js";

const NUMBERS = { trial: "trial", confirming: "trial", reverting: "trial" };

export function applyPanel(page) {
  const { applying } = page;
  const view = NUMBERS[applying.state] ? trial : (VIEWS[applying.state] ?? before);
  return el("section", { class: "panel apply", "aria-label": say("apply") }, ...view(page));
}

function before(page) {
  const { applying, editor } = page;
  return [
    el("h2", {}, say("apply")),
    el("ul", { class: "outcome" }, ...differences(editor.configuration.zones, editor.zones)),
    page.outdated ? el("p", { class: "fault", role: "alert" }, say("outdated")) : null,
    ...endings(page),
    el("p", { class: "hint" }, say("apply_hint")),
    page.dryRun.state === "done" && page.dryRun.isOf(editor.zones) ? null : el("p", { class: "remark" }, say("not_tried")),
    applying.state === "refused" ? el("div", { role: "alert" }, ...refusal(applying.fault)) : null,
    button(say("apply_now"), () => applying.apply(editor.zones, editor.configuration.number), {
      class: "primary wide big",
      disabled: !page.drawable || applying.state === "applying",
      "data-action": "apply",
    }),
    button(say("back_to_zones"), () => page.open("list"), { class: "quiet wide" }),
  ];
}

// Open cases of what is watched no more.
function endings(page) {
  const ids = page.checks.cases.map((each) => each.zone_id);
  return [...new Set(ids)].map((id) => {
    const count = ids.filter((each) => each === id).length;
    return el("p", { class: "remark" }, say("cases_end", { count, zone: id }));
  });
}

function trial(page) {
  const { applying } = page;
  const busy = applying.state !== "trial";
  return [
    el("h2", {}, say("trial_title", { number: applying.number })),
    el("p", { class: "countdown", role: "timer", "aria-live": "off", id: "countdown" }, clock(applying.left)),
    applying.linked ? null : el("p", { class: "fault", role: "alert" }, say("trial_no_link")),
    applying.fault ? el("p", { class: "fault", role: "alert" }, applying.fault.message) : null,
    button(say("confirm"), () => applying.confirm(), { class: "primary wide huge", disabled: busy, "data-action": "confirm" }),
    button(say("revert"), () => applying.revert(), { class: "danger wide", disabled: busy, "data-action": "revert" }),
    el("p", { class: "hint" }, say("trial_hint")),
  ];
}

function confirmed(page) {
  return [
    el("p", { class: "good big", role: "status" }, say("confirmed", { number: page.applying.number })),
    button(say("back_to_zones"), () => page.applied(), { class: "primary wide", "data-action": "applied" }),
  ];
}

function reverted(page) {
  return [
    el("p", { class: "remark big", role: "alert" }, say("reverted")),
    button(say("back_to_zones"), () => page.applied(), { class: "primary wide", "data-action": "applied" }),
  ];
}

const VIEWS = { confirmed, reverted };

function refusal(fault) {
  return [el("p", { class: "fault" }, fault.message), ...fault.faults.map((each) => el("p", { class: "fault" }, `${each.place ?? ""} ${each.text}`))];
}

/** Minutes and seconds. */
export function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** What becomes another: one line a zone. */
export function differences(before, after) {
  const ids = new Set([...before, ...after].map((zone) => zone.zone_id));
  const of = (zones, id) => zones.find((zone) => zone.zone_id === id);
  const lines = [...ids].map((id) => {
    const [old, now] = [of(before, id), of(after, id)];
    if (old && now && JSON.stringify(old) === JSON.stringify(now)) return null;
    const key = !old ? "differs_new" : !now ? "differs_gone" : "differs_changed";
    return el("li", {}, say(key, { zone: nameOf(now ?? old) }));
  });
  const told = lines.filter((line) => line !== null);
  return told.length ? told : [el("li", {}, say("differs_nothing"))];
}
