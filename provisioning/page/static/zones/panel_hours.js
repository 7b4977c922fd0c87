// Stretches of local time on some days of the week: when a rule holds, or when it is suspended.

import { button, el } from "./dom.js";
import { say } from "./words.js";

const DAYS = [1, 2, 3, 4, 5, 6, 7];

/** @param key "in_force" or "permitted" */
export function hours(page, zone, key) {
  const windows = zone[key] ?? [];
  const change = (next) => page.editor.setKey(key, next.length ? next : null);
  return el(
    "fieldset",
    { class: "hours", "data-hours": key },
    el("legend", {}, say(key)),
    windows.length ? null : el("p", { class: "hint" }, say(`${key}_none`)),
    ...windows.map((window, index) =>
      one(window, index, {
        change: (next) => change(windows.map((each, at) => (at === index ? next : each))),
        remove: () => change(windows.filter((_, at) => at !== index)),
      }),
    ),
    button(say("add_hours"), () => change([...windows, { days: DAYS, from: "07:00", to: "22:00" }]), {
      class: "quiet",
      "data-action": "add-hours",
    }),
  );
}

function one(window, index, told) {
  const days = window.days ?? DAYS;
  const time = (end) =>
    el(
      "label",
      {},
      say(end),
      el("input", {
        type: "time",
        name: `${end}-${index}`,
        value: String(window[end]).slice(0, 5),
        required: true,
        onchange: (event) => event.target.value && told.change({ ...window, [end]: event.target.value }),
      }),
    );
  return el(
    "div",
    { class: "window" },
    el("div", { class: "days", role: "group", "aria-label": say("days") }, ...DAYS.map((day) => dayButton(window, days, day, told))),
    el("div", { class: "row" }, time("from"), time("to"), button("✕", told.remove, { "aria-label": say("remove_hours") })),
    String(window.to) <= String(window.from) ? el("p", { class: "hint" }, say("over_midnight")) : null,
  );
}

function dayButton(window, days, day, told) {
  const on = days.includes(day);
  const next = on ? days.filter((each) => each !== day) : [...days, day].sort();
  return button(say(`day_${day}`), () => next.length && told.change({ ...window, days: next }), {
    "aria-pressed": on ? "true" : "false",
    "data-day": day,
  });
}
