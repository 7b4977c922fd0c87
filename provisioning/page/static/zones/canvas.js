// The picture with all that is drawn on it. Everything is placed in pixels of the screen, so that lines and
// handles stay as large as fingers are, however near one looks.

import { result } from "./anchoring.js";
import { el, set, svg } from "./dom.js";
import { labelPoint } from "./geometry.js";
import { Handles, REACH_PX } from "./handles.js";
import { nameOf } from "./words.js";

const NAME_PX = 16;
/** Characters of a name on the picture; all of it stands in the list. */
const LONGEST_NAME = 14;

export class Canvas {
  constructor(stage, editor, viewport) {
    this.stage = stage;
    this.editor = editor;
    this.viewport = viewport;
    this.picture = stage.querySelector("img");
    this.reference = el("img", { class: "reference", alt: "", draggable: "false" });
    this.picture.after(this.reference);
    this.url = null;
    this.handles = new Handles(editor, viewport);
    this.zones = svg("g", { id: "drawn-zones" });
    this.drawing = svg("svg", { class: "drawing" }, patterns(), this.zones, this.handles.group);
    this.laying = svg("g", { class: "laying" });
    this.drawing.append(this.laying);
    stage.append(this.drawing);
    new ResizeObserver(() => this.resized()).observe(stage);
    stage.addEventListener("scroll", () => stage.scrollTo(0, 0)); // a focused handle must not shift it
  }

  /** Another picture to draw on: an object URL, and its size. */
  show(url, width, height) {
    if (this.url !== null && this.url !== url) URL.revokeObjectURL(this.url);
    this.url = url;
    this.picture.src = url;
    this.stage.style.setProperty("--aspect", String(width / height));
    this.viewport.resize(this.stage.clientWidth, this.stage.clientHeight, width / height);
    this.render();
  }

  /** Lay another picture of the same camera over it; a path of null: none. */
  showReference(path, opacity) {
    if (path === null) this.reference.removeAttribute("src");
    else if (this.reference.getAttribute("src") !== path) this.reference.src = path;
    this.reference.style.opacity = String(opacity);
  }

  resized() {
    this.viewport.resize(this.stage.clientWidth, this.stage.clientHeight);
    this.render();
  }

  render() {
    const { left, top, size } = this.viewport;
    for (const { style } of [this.picture, this.reference]) {
      style.width = `${size.width}px`;
      style.height = `${size.height}px`;
      style.transform = `translate(${left}px, ${top}px)`;
    }
    const selected = this.editor.zone;
    const others = this.editor.onCamera.filter((zone) => zone !== selected);
    const shown = [...others, ...(selected?.camera_id === this.editor.camera ? [selected] : [])];
    this.named = [];
    this.zones.replaceChildren(...shown.flatMap((zone) => this.#zone(zone, zone === selected)));
    if (this.editor.drawing) this.zones.append(...this.#outline(this.editor.drawing));
    this.handles.render();
    this.drawing.classList.toggle("proposes", this.editor.laying !== null);
    this.laying.replaceChildren(...(this.editor.laying ? this.#laid(this.editor.laying) : []));
  }

  #points(polygon) {
    return polygon.map((point) => this.viewport.toScreen(point).map((each) => each.toFixed(1)).join(",")).join(" ");
  }

  #zone(zone, selected) {
    const faults = this.editor.faults(zone);
    const wrong = faults.length > 0;
    const name = `zone kind-${zone.kind}${selected ? " selected" : ""}${wrong ? " wrong" : ""}`;
    const points = this.#points(zone.polygon);
    return [
      svg("polygon", { class: `${name} casing`, points }),
      svg("polygon", { class: name, points, "data-zone": zone.zone_id }),
      ...(wrong ? this.#wrong(zone.polygon, faults) : []),
      ...(selected ? [] : [this.#name(zone)]),
    ];
  }

  // Zones lie over each other; their names do not.
  #name(zone) {
    const [x, middle] = this.viewport.toScreen(labelPoint(zone.polygon));
    let y = middle + 4;
    while (this.named.some((other) => Math.abs(other.y - y) < NAME_PX && Math.abs(other.x - x) < 6 * NAME_PX)) {
      y += NAME_PX;
    }
    this.named.push({ x, y });
    return svg("text", { class: "name", x, y }, short(nameOf(zone)));
  }

  #wrong(polygon, faults) {
    const edges = faults.flatMap((fault) => fault.edges);
    const marks = faults.flatMap((fault) => fault.at ?? []);
    return [
      ...edges.map((index) => {
        const next = polygon[(index + 1) % polygon.length];
        return svg("polyline", { class: "wrong-edge", points: this.#points([polygon[index], next]) });
      }),
      ...marks.map((point) => {
        const [cx, cy] = this.viewport.toScreen(point);
        return svg("circle", { class: "wrong-mark", cx, cy, r: 9 });
      }),
    ];
  }

  #outline({ kind, corners }) {
    const points = this.#points(corners);
    const shape = corners.length > 2 ? "polygon" : "polyline";
    return [
      svg(shape, { class: `zone kind-${kind} casing`, points }),
      svg(shape, { class: `zone kind-${kind} selected`, points }),
      ...corners.map((corner, index) => {
        const [cx, cy] = this.viewport.toScreen(corner);
        return svg("circle", { class: index === 0 ? "tapped first" : "tapped", cx, cy, r: index === 0 ? 11 : 6 });
      }),
    ];
  }

  // A proposal is dashed, so that nobody takes it for what holds.
  #laid(laying) {
    const frame = svg("polygon", { class: "frame", points: this.#points(laying.to) });
    const ghosts = result(laying).zones.map((zone) =>
      svg("polygon", { class: `zone ghost kind-${zone.kind}`, points: this.#points(zone.polygon) }),
    );
    const holds = laying.to.map((point, index) => {
      const [x, y] = this.viewport.toScreen(point);
      return svg(
        "g",
        { class: "handle hold", transform: `translate(${x} ${y})`, "data-hold": index },
        svg("circle", { class: "reach", r: REACH_PX }),
        svg("rect", { class: "dot", x: -9, y: -9, width: 18, height: 18 }),
      );
    });
    return [frame, ...ghosts, ...holds];
  }
}

function short(name) {
  const letters = [...name];
  return letters.length > LONGEST_NAME ? `${letters.slice(0, LONGEST_NAME - 1).join("")}…` : name;
}

// What is never looked at is hatched: not by colour alone.
function patterns() {
  const hatch = svg(
    "pattern",
    { id: "hatch", width: 10, height: 10, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { width: 10, height: 10, class: "hatch-ground" }),
    svg("rect", { width: 5, height: 10, class: "hatch-line" }),
  );
  return set(svg("defs", {}, hatch), { "aria-hidden": "true" });
}
