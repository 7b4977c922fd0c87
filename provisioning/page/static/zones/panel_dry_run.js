// What would it have given? The draft and today's zones over the last hours, side by side.

import { button, el } from "./dom.js";
import { caseName, duration, either, nameOf, say } from "./words.js";
import { zoneOf } from "./zones.js";

/** Below this share of the time, a zone was looked at too seldom. */
const SEEN_WELL = 0.8;
const HOURS = [1, 3, 12, 24];

export function dryRunPanel(page) {
  const { dryRun, editor } = page;
  const stale = dryRun.state === "done" && !dryRun.isOf(editor.zones);
  return el(
    "section",
    { class: "panel", "aria-label": say("what_if") },
    el("h2", {}, say("what_if")),
    el("p", { class: "hint" }, say("dry_run_hint")),
    el("div", { class: "row", role: "group", "aria-label": say("how_long") }, ...HOURS.map((each) => choice(page, each))),
    button(say("dry_run_start"), () => dryRun.start(editor.zones, page.hours), {
      class: "wide",
      disabled: dryRun.state === "running" || !page.drawable,
      "data-action": "dry-run",
    }),
    stale ? el("p", { class: "remark" }, say("dry_run_stale")) : null,
    el("div", { "aria-live": "polite" }, ...outcome(page)),
    button(say("next_apply"), () => page.open("apply"), { class: "primary wide", disabled: !page.drawable, "data-action": "to-apply" }),
    button(say("back_to_zones"), () => page.open("list"), { class: "quiet wide" }),
  );
}

function choice(page, count) {
  return button(say("hours", { count }), () => page.during(count), {
    class: "grow",
    "aria-pressed": page.hours === count ? "true" : "false",
  });
}

function outcome(page) {
  const { dryRun } = page;
  if (dryRun.state === "running") {
    const bar = el("progress", { max: 1, value: dryRun.progress, "aria-label": say("what_if") });
    return dryRun.fault ? [bar, el("p", { class: "remark" }, dryRun.fault.message)] : [bar];
  }
  if (dryRun.state === "failed") {
    return [el("p", { class: "fault" }, say("dry_run_failed", { why: dryRun.fault.message }))];
  }
  return dryRun.result ? shown(page, dryRun.result) : [];
}

function shown(page, { source, now, then, differences, near, limits, watched }) {
  const counts = { then: then.cases.length, now: now.cases.length };
  return [
    el("p", { class: "figure" }, el("b", {}, String(counts.then)), say("dry_run_count", counts)),
    section(page, "differences", differences, difference, differences.length ? null : "no_differences"),
    section(page, "cases_then", then.cases, oneCase, then.cases.length ? null : "no_cases"),
    section(page, "near_misses", near, nearMiss, near.length ? null : "no_near"),
    el(
      "div",
      { "data-part": "from_what" },
      el("h3", {}, say("from_what")),
      ...source.map((each) => el("p", { class: "hint" }, say("source", { ...each, hours: tenths(each.hours) }))),
      ...limits.map((each) => el("p", { class: "remark" }, about(page, each.zone_id, either(each.text)))),
      ...watched.filter((each) => each.looked_share < SEEN_WELL && isJudged(page, each.zone_id)).map((each) => seldom(page, each)),
    ),
  ];
}

function section(page, title, list, row, empty) {
  return el(
    "div",
    { "data-part": title },
    el("h3", {}, say(title)),
    empty ? el("p", { class: "hint" }, say(empty)) : el("ul", { class: "outcome" }, ...list.map((each) => row(page, each))),
  );
}

function difference(page, { change, case: found, text }) {
  return el(
    "li",
    { class: change },
    el("strong", {}, say(`change_${change}`)),
    " ",
    inWords(page, found),
    text ? el("small", {}, either(text)) : null,
  );
}

function oneCase(page, found) {
  const note = found.unverified ? el("small", { class: "missing" }, say("unverified")) : null;
  return el("li", {}, inWords(page, found), note);
}

// Nothing is looked for in a bay or a mask for its own sake.
function isJudged({ editor }, zoneId) {
  return editor.kinds.get(zoneOf(editor.zones, zoneId)?.kind)?.judged ?? true;
}

// A zone that the network seldom looks at gives little, however well it is drawn.
function seldom(page, { zone_id, looked_share }) {
  const facts = { zone: where(page, zone_id), percent: Math.round(100 * looked_share) };
  return el("p", { class: "remark" }, say("seldom_looked_at", facts));
}

function about(page, zoneId, text) {
  return zoneId ? `${where(page, zoneId)}: ${text}` : text;
}

function tenths(value) {
  return Math.round(10 * value) / 10;
}

function nearMiss(page, near) {
  return el(
    "li",
    {},
    `${where(page, near.zone_id)} · ${caseName(near.kind)} · ${at(near.at)}`,
    ...near.measures.map((each) =>
      el("small", { class: each.holds ? "held" : "missing" }, either(each.text)),
    ),
  );
}

function inWords(page, found) {
  const lasted = found.lasted_s === null ? say("still_open") : duration(found.lasted_s);
  return `${where(page, found.zone_id)} · ${caseName(found.kind)} · ${at(found.opened_at)} · ${lasted}`;
}

function where(page, zoneId) {
  const zone = zoneOf(page.editor.zones, zoneId) ?? zoneOf(page.editor.configuration.zones, zoneId);
  return zone ? nameOf(zone) : zoneId;
}

function at(text) {
  const when = new Date(text);
  return Number.isNaN(when.valueOf()) ? String(text) : when.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
}
