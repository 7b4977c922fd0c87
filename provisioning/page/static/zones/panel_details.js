// What is said of one zone: names, kind, hours, unit, road class, time allowed, code.

import { button, el } from "./dom.js";
import { duration, either, kindName, nameOf, say } from "./words.js";
import { hours } from "./panel_hours.js";

export function detailsPanel(page) {
  const { editor } = page;
  const { zone } = editor;
  const kind = editor.kinds.get(zone.kind);
  return el(
    "section",
    { class: "panel", "aria-label": nameOf(zone) },
    corners(page),
    el("div", { class: "said", id: "zone-says" }, ...sayings(page, zone)),
    el("div", { class: "two" }, name(page, zone, "zh"), name(page, zone, "en")),
    kindField(page, zone),
    kind?.judged ? judged(page, zone, kind) : null,
    el("p", { class: "hint" }, say("zone_id", { zone: zone.zone_id })),
    el(
      "div",
      { class: "row" },
      button(say("done"), () => page.choose(null), { class: "primary grow", "data-action": "done" }),
      button(say("delete_zone"), () => editor.deleteZone(), { class: "danger", "data-action": "delete-zone" }),
    ),
  );
}

/** What the agent says of a zone; what is wrong with its outline stands under the picture while one draws. */
export function sayings(page, zone) {
  const said = page.checks.of(zone.zone_id);
  const faults = page.editor.faults(zone);
  // Nothing is said twice.
  const remarks = said.remarks.filter((each) => !(faults.length && each.key === "polygon"));
  const full = ({ text: what, meaning, remedy }) =>
    [what, meaning, remedy].filter(Boolean).map((part) => el("span", { class: "part" }, either(part)));
  return [
    ...said.faults.map((each) => el("p", { class: "fault" }, either(each.text))),
    ...remarks.map((each) => el("p", { class: "remark" }, ...full(each))),
  ];
}

function corners({ editor }) {
  const { corner } = editor;
  const none = corner === null;
  return el(
    "div",
    {},
    el("p", { class: "hint" }, none ? say("choose_corner") : say("corner", { corner: corner + 1 })),
    el(
      "div",
      { class: "row corner-tools" },
      button(say("insert_corner"), () => editor.insertCorner(corner ?? 0), { "data-action": "insert-corner" }),
      button(say("delete_corner"), () => editor.deleteCorner(corner), { disabled: none, "data-action": "delete-corner" }),
    ),
  );
}

function name(page, zone, language) {
  const { editor } = page;
  return field(
    say(`name_${language}`),
    el("input", {
      name: `name-${language}`,
      maxlength: editor.configuration.bounds.max_name,
      value: zone.name?.[language] ?? "",
      lang: language,
      oninput: (event) => editor.setName(language, event.target.value),
    }),
    (input) => page.keep(input, () => editor.zone?.name?.[language] ?? ""),
  );
}

function kindField(page, zone) {
  const { editor } = page;
  return field(
    say("kind"),
    el(
      "select",
      { name: "kind", onchange: (event) => editor.setKey("kind", event.target.value) },
      ...editor.configuration.kinds.map((kind) =>
        el("option", { value: kind.kind, selected: kind.kind === zone.kind }, kindName(kind.kind)),
      ),
    ),
  );
}

function judged(page, zone, kind) {
  const { site } = page.editor.configuration;
  return el(
    "div",
    {},
    allowed(page, zone, kind),
    hours(page, zone, "in_force"),
    hours(page, zone, "permitted"),
    text(page, zone, "responsible_unit", site.units, site.responsible_unit),
    text(page, zone, "road_class", site.road_classes, site.road_class),
    kind.codes?.length ? code(page, zone, kind) : null,
  );
}

function allowed(page, zone, kind) {
  const { editor } = page;
  const given = kind.allowed_s === null || kind.allowed_s === undefined ? null : duration(kind.allowed_s);
  const wrong = el("small", { class: "fault", role: "alert" });
  return field(
    say("allowed_s"),
    el("input", {
      name: "allowed_s",
      type: "number",
      inputmode: "numeric",
      min: 1,
      step: 1,
      value: zone.allowed_s ?? "",
      placeholder: given === null ? "" : say("as_site", { value: given }),
      oninput: (event) => {
        const { valueAsNumber: seconds, value, validity } = event.target;
        const none = value === "" && !validity.badInput;
        const good = none || seconds >= 1;
        wrong.textContent = good ? "" : say("allowed_wrong");
        if (good) editor.setKey("allowed_s", none ? null : seconds, `allowed ${zone.zone_id}`);
      },
    }),
    (input) => page.keep(input, () => editor.zone?.allowed_s ?? ""),
    wrong,
  );
}

// With another unit, the id of the one before is no longer true.
function text(page, zone, key, known, ofSite) {
  const { editor } = page;
  const id = `known-${key}`;
  return field(
    say(key),
    el("input", {
      name: key,
      list: id,
      maxlength: editor.configuration.bounds.max_name,
      value: zone[key] ?? "",
      placeholder: ofSite ? say("as_site", { value: ofSite }) : "",
      oninput: (event) => page.describe(key, event.target.value.trim() || null),
    }),
    (input) => page.keep(input, () => editor.zone?.[key] ?? ""),
    el("datalist", { id }, ...known.map((value) => el("option", { value }))),
  );
}

function code(page, zone, kind) {
  const { editor } = page;
  return field(
    say("zone_code"),
    el(
      "select",
      { name: "code", onchange: (event) => editor.setKey("code", event.target.value || null) },
      el("option", { value: "" }, say("code_none")),
      ...kind.codes.map((each) =>
        el("option", { value: each.code, selected: each.code === zone.code }, `${each.code} ${either(each.name)}`),
      ),
    ),
  );
}

function field(label, input, kept = null, ...more) {
  kept?.(input);
  return el("label", { class: "field" }, el("span", {}, label), input, ...more);
}
