// A new zone: of which kind, and from which shape.

import { button, el } from "./dom.js";
import { SHAPES, suiting } from "./shapes.js";
import { kindName, kindSays, say } from "./words.js";

export function addPanel(page) {
  const chosen = page.editor.kinds.get(page.kind);
  return el(
    "section",
    { class: "panel", "aria-label": say("add_zone") },
    el("h2", {}, say("which_kind")),
    el("div", { class: "kinds", role: "group", "aria-label": say("which_kind") }, ...page.editor.configuration.kinds.map((kind) => choice(page, kind))),
    chosen ? el("p", { class: "hint" }, kindSays(chosen.kind)) : null,
    chosen && chosen.scenario_configured === false
      ? el("p", { class: "remark", role: "status" }, say("no_scenario", { kind: kindName(chosen.kind) }))
      : null,
    chosen ? el("h2", {}, say("which_shape")) : null,
    chosen ? el("div", { class: "shapes" }, ...SHAPES.map((shape) => shapeButton(page, chosen, shape))) : null,
    button(say("cancel"), () => page.open("list"), { class: "quiet wide" }),
  );
}

function choice(page, kind) {
  return el(
    "button",
    {
      type: "button",
      class: "kind",
      "data-kind": kind.kind,
      "aria-pressed": page.kind === kind.kind ? "true" : "false",
      onclick: () => {
        page.kind = kind.kind;
        page.open("add");
        document.querySelector(`[data-kind="${kind.kind}"]`).focus();
      },
    },
    el("span", { class: `swatch kind-${kind.kind}`, "aria-hidden": "true" }),
    kindName(kind.kind),
  );
}

function shapeButton(page, kind, shape) {
  const begin = () => {
    if (shape === "free") page.editor.draw(kind.kind);
    else page.editor.addShape(kind.kind, shape, page.viewport.seen);
    page.rebuild();
    page.toPicture();
  };
  const suits = suiting(kind) === shape;
  return button(say(`shape_${shape}`), begin, { class: suits ? "primary" : null, "data-shape": shape });
}
