// A lens at the finger: what is under it, three times as large, beside the hand.

import { set, svg } from "./dom.js";

const RADIUS_PX = 62;
const TIMES = 3;
const AWAY_PX = 40;

export class Magnifier {
  /** @param stage where it lies @param drawing id of the drawing that is shown in it, too */
  constructor(stage, drawing) {
    this.stage = stage;
    this.picture = svg("image", { preserveAspectRatio: "none" });
    this.inside = svg("g", {}, this.picture, svg("use", { href: `#${drawing}` }));
    const size = 2 * RADIUS_PX;
    this.lens = svg(
      "svg",
      { class: "lens", width: size, height: size, "aria-hidden": "true" },
      svg("clipPath", { id: "lens-clip" }, svg("circle", { cx: RADIUS_PX, cy: RADIUS_PX, r: RADIUS_PX })),
      svg("g", { "clip-path": "url(#lens-clip)" }, svg("rect", { width: size, height: size }), this.inside),
      svg("path", { class: "cross", d: cross() }),
      svg("circle", { class: "rim", cx: RADIUS_PX, cy: RADIUS_PX, r: RADIUS_PX - 1.5 }),
    );
    this.hide();
    stage.append(this.lens);
  }

  /** Show the surroundings of a point of the screen. */
  show([x, y], url, viewport) {
    const { width, height } = viewport.size;
    set(this.picture, { href: url, x: viewport.left, y: viewport.top, width, height });
    set(this.inside, {
      transform: `translate(${RADIUS_PX} ${RADIUS_PX}) scale(${TIMES}) translate(${-x} ${-y})`,
    });
    const [left, top] = this.#beside([x, y], viewport.stage);
    this.lens.style.transform = `translate(${left}px, ${top}px)`;
    this.lens.style.display = "block";
  }

  hide() {
    this.lens.style.display = "none";
  }

  // Above the finger where there is room, else beside it: never under the hand.
  #beside([x, y], stage) {
    const size = 2 * RADIUS_PX;
    const left = Math.min(Math.max(0, x - RADIUS_PX), stage.width - size);
    const above = y - AWAY_PX - size;
    if (above >= -20) return [left, Math.max(0, above)];
    const aside = x > stage.width / 2 ? x - AWAY_PX - size : x + AWAY_PX;
    return [Math.min(Math.max(0, aside), stage.width - size), 0];
  }
}

function cross() {
  const c = RADIUS_PX;
  return `M${c - 26} ${c}H${c - 6}M${c + 6} ${c}H${c + 26}M${c} ${c - 26}V${c - 6}M${c} ${c + 6}V${c + 26}`;
}
