// The handles of the selected zone: one a corner and one for the whole, 44 px to the finger, each in the tab order.

import { set, svg } from "./dom.js";
import { labelPoint } from "./geometry.js";
import { STEP, cornerFacts } from "./editor.js";
import { nameOf, say } from "./words.js";

/** Half of what a finger needs: 44 px, and a little for rounding. */
export const REACH_PX = 22.5;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LARGE = 10;

export class Handles {
  constructor(editor, viewport) {
    this.editor = editor;
    this.viewport = viewport;
    this.group = svg("g", { class: "handles", role: "group" });
    this.corners = [];
    this.whole = null;
  }

  /** Bring the handles to where the selected zone is; those that stay keep the focus. */
  render() {
    const zone = this.editor.laying || this.editor.drawing ? null : this.editor.zone;
    const polygon = zone?.polygon ?? [];
    while (this.corners.length > polygon.length) this.corners.pop().remove();
    while (this.corners.length < polygon.length) this.corners.push(this.#corner(this.corners.length));
    if (zone !== null && this.whole === null) this.whole = this.#whole();
    if (zone === null && this.whole !== null) {
      this.whole.remove();
      this.whole = null;
    }
    if (zone === null) return;
    set(this.group, { "aria-label": say("corners_of", { zone: nameOf(zone) }) });
    polygon.forEach((point, index) => this.#place(index, point));
    const [x, y] = this.viewport.toScreen(labelPoint(polygon));
    set(this.whole, {
      transform: `translate(${x} ${y})`,
      "aria-label": say("whole_zone", { zone: nameOf(zone) }),
    });
  }

  focus(index) {
    this.corners[index]?.focus({ preventScroll: true });
  }

  /** What of the selected zone lies under a finger: {corner}, {whole: true} or null. The nearest one has it. */
  at(point, polygon) {
    let best = null;
    const far = (place) => {
      const [x, y] = this.viewport.toScreen(place);
      return Math.hypot(x - point[0], y - point[1]);
    };
    polygon.forEach((place, corner) => {
      if (far(place) <= REACH_PX && (best === null || far(place) < best.far)) {
        best = { far: far(place), corner };
      }
    });
    const middle = far(labelPoint(polygon));
    if (middle <= REACH_PX && (best === null || middle < best.far)) return { whole: true };
    return best === null ? null : { corner: best.corner };
  }

  #corner(index) {
    const handle = svg(
      "g",
      {
        class: "handle",
        tabindex: 0,
        role: "button",
        "data-corner": index,
        "aria-describedby": "handle-help",
        onkeydown: (event) => this.#keys(event, index),
        onfocus: () => this.#focused(index),
        onclick: (event) => event.detail === 0 && this.editor.select(this.editor.zone.zone_id, index),
      },
      svg("circle", { class: "reach", r: REACH_PX }),
      svg("circle", { class: "dot", r: 10 }),
      svg("text", { class: "number", y: 4 }, String(index + 1)),
    );
    this.group.append(handle);
    return handle;
  }

  #whole() {
    const handle = svg(
      "g",
      {
        class: "handle whole",
        tabindex: 0,
        role: "button",
        "aria-describedby": "handle-help",
        onkeydown: (event) => this.#wholeKeys(event),
      },
      svg("circle", { class: "reach", r: REACH_PX }),
      svg("circle", { class: "dot", r: 13 }),
      svg("path", {
        class: "cross",
        d: "M-8 0H8M0-8V8M-8 0l3-3M-8 0l3 3M8 0l-3-3M8 0l-3 3M0-8l-3 3M0-8l3 3M0 8l-3-3M0 8l3-3",
      }),
    );
    this.group.prepend(handle);
    return handle;
  }

  #place(index, point) {
    const [x, y] = this.viewport.toScreen(point);
    set(this.corners[index], {
      transform: `translate(${x} ${y})`,
      "aria-pressed": this.editor.corner === index ? "true" : "false",
      "aria-label": say("corner_at", cornerFacts(this.editor.zone, index)),
    });
  }

  #focused(index) {
    if (this.editor.corner !== index) this.editor.select(this.editor.zone.zone_id, index);
    this.viewport.show(this.editor.zone.polygon[index]);
    this.editor.told.shown();
  }

  #keys(event, index) {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const step = event.shiftKey ? LARGE * STEP : STEP;
      this.editor.nudge(index, arrow[0] * step, arrow[1] * step);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.editor.deleteCorner(index);
      this.focus(this.editor.corner ?? 0);
    } else if (event.key === "Insert" || event.key === "+") {
      this.editor.insertCorner(index);
      this.focus(this.editor.corner);
    } else if (event.key === "Escape") this.editor.select(null);
    else return;
    event.preventDefault();
  }

  #wholeKeys(event) {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const step = event.shiftKey ? LARGE * STEP : STEP;
      this.editor.moveZone([arrow[0] * step, arrow[1] * step], `push ${this.editor.zone.zone_id}`);
    } else if (event.key === "Delete" || event.key === "Backspace") this.editor.deleteZone();
    else if (event.key === "Escape") this.editor.select(null);
    else return;
    event.preventDefault();
  }
}
