// While corners are tapped.

import { button, el } from "./dom.js";
import { say } from "./words.js";

export function drawingPanel(page) {
  const { editor } = page;
  const count = editor.drawing.corners.length;
  return el(
    "section",
    { class: "panel", "aria-label": say("add_zone") },
    el("p", { class: "hint" }, say(count < 3 ? "tap_corners" : "tap_first_to_close")),
    el(
      "div",
      { class: "row" },
      button(say("close_outline", { count }), () => editor.closeOutline(), {
        class: "primary grow",
        disabled: count < 3,
        "data-action": "close",
      }),
      button(say("take_back"), () => editor.takeBackCorner(), { disabled: count === 0, "data-action": "take-back" }),
      button(say("cancel"), () => editor.stopDrawing(), { class: "quiet" }),
    ),
  );
}
