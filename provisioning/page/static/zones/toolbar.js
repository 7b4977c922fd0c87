// Undo, redo, looking closer, a new picture, which camera, and whether the draft is kept.

import { button, el, svg } from "./dom.js";
import { say } from "./words.js";

// Drawn, not typed: no font of a phone has all of these signs.
const SIGNS = {
  undo: "M9 5L4 10l5 5M4 10h10a6 6 0 0 1 0 11h-3",
  redo: "M15 5l5 5-5 5M20 10H10a6 6 0 0 0 0 11h3",
  "zoom-out": "M5 12h14",
  "zoom-in": "M5 12h14M12 5v14",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  picture: "M4 8h4l2-3h4l2 3h4v11H4zM12 10a3.5 3.5 0 1 0 .01 0",
  snap: "M6 4v8a6 6 0 0 0 12 0V4h-4v8a2 2 0 0 1-4 0V4zM6 8h4M14 8h4",
};

export class Toolbar {
  constructor(place, page) {
    this.page = page;
    const tool = (name, key, act) =>
      button(sign(name), act, { "aria-label": say(key), title: say(key), "data-action": name });
    const zoom = (times) => () => {
      const { width, height } = page.viewport.stage;
      page.fingers.pinch([width / 2, height / 2], [width / 2, height / 2], times);
    };
    this.undo = tool("undo", "undo", () => page.editor.undo());
    this.redo = tool("redo", "redo", () => page.editor.redo());
    this.kept = el("span", { class: "kept", id: "draft-state" });
    this.cameras = el(
      "select",
      { "aria-label": say("camera"), onchange: (event) => page.look(event.target.value), hidden: page.cameras.length < 2 },
      ...page.cameras.map((camera) => el("option", { value: camera.camera_id }, camera.camera_id)),
    );
    this.snap = tool("snap", "snap", () => this.#snap());
    place.append(
      this.undo,
      this.redo,
      tool("zoom-out", "zoom_out", zoom(1 / 1.5)),
      tool("zoom-in", "zoom_in", zoom(1.5)),
      tool("fit", "whole_picture", () => this.#fit()),
      tool("picture", "new_picture", () => page.look(page.editor.camera)),
      this.snap,
      this.cameras,
    );
    page.stage.append(this.kept);
  }

  render() {
    const { history, camera } = this.page.editor;
    this.undo.disabled = history.past.length === 0;
    this.redo.disabled = history.future.length === 0;
    this.snap.setAttribute("aria-pressed", this.page.fingers.snapping ? "true" : "false");
    this.cameras.value = camera;
  }

  /** @param name "saving", "saved", "waiting", "conflict" or "restored" */
  saved(name) {
    this.kept.dataset.state = name;
    // That all is well is not read out after every change.
    this.kept.setAttribute("aria-live", ["waiting", "conflict"].includes(name) ? "polite" : "off");
    this.kept.textContent = say(`draft_${name}`);
  }

  #fit() {
    this.page.viewport.fit();
    this.page.canvas.render();
  }

  #snap() {
    this.page.fingers.snapping = !this.page.fingers.snapping;
    this.render();
  }
}

function sign(name) {
  return svg("svg", { viewBox: "0 0 24 24", width: 24, height: 24, "aria-hidden": "true" }, svg("path", { d: SIGNS[name] }));
}
