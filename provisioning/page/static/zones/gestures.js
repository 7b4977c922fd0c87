// What fingers mean: tap, hold, drag, pan, pinch. One finger that was ever joined by another draws nothing.

export const SLOP_PX = 9;
export const HOLD_MS = 280;
export const LONG_MS = 750;

/**
 * Listens on an element; tells in pixels of that element.
 * @param element what fingers touch; its CSS says touch-action: none
 * @param told {
 *   grab(point, kind): what lies there; a truthy answer is dragged, else one finger pans,
 *   down(point), hold(point) → true if the finger now aims, long(point) → true if that was all,
 *   aim(point), place(point): of a finger that aims,
 *   drag(point, grabbed), drop(point, grabbed), tap(point), pan(dx, dy), pinch(from, to, times), cancel(), up() }
 */
export class Gestures {
  constructor(element, told) {
    this.element = element;
    this.told = told;
    this.fingers = new Map();
    this.#rest();
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerup", (event) => this.#up(event));
    element.addEventListener("pointercancel", (event) => this.#lost(event));
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    element.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  #rest() {
    clearTimeout(this.holding);
    clearTimeout(this.waiting);
    this.state = "rest";
    this.grabbed = null;
  }

  #point(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if (event.target.closest("button, a, input, select")) return;
    this.element.setPointerCapture(event.pointerId);
    const point = this.#point(event);
    this.fingers.set(event.pointerId, point);
    if (this.fingers.size > 1) {
      if (this.state !== "pinch") this.told.cancel();
      this.#rest();
      this.state = "pinch";
      return;
    }
    this.start = this.last = point;
    this.state = "pressed";
    this.grabbed = this.told.grab(point, event.pointerType);
    this.told.down(point, this.grabbed);
    this.holding = setTimeout(() => {
      if (this.state === "pressed" && this.told.hold(this.last)) this.state = "aim";
    }, HOLD_MS);
    this.waiting = setTimeout(() => {
      if (this.state === "pressed" && this.told.long(this.last, this.grabbed)) this.state = "done";
    }, LONG_MS);
  }

  #move(event) {
    if (!this.fingers.has(event.pointerId)) return;
    const before = [...this.fingers.values()];
    const point = this.#point(event);
    this.fingers.set(event.pointerId, point);
    if (this.state === "pinch") this.#pinch(before);
    else this.#moveOne(point, event.pointerType);
  }

  #moveOne(point, kind) {
    const far = Math.hypot(point[0] - this.start[0], point[1] - this.start[1]);
    if (this.state === "pressed" && far > (kind === "mouse" ? 3 : SLOP_PX)) {
      clearTimeout(this.holding);
      clearTimeout(this.waiting);
      this.state = this.grabbed ? "drag" : "pan";
    }
    if (this.state === "drag") this.told.drag(point, this.grabbed);
    if (this.state === "aim") this.told.aim(point);
    if (this.state === "pan") this.told.pan(point[0] - this.last[0], point[1] - this.last[1]);
    this.last = point;
  }

  #pinch(before) {
    const after = [...this.fingers.values()];
    if (before.length < 2) return;
    const [from, to] = [before, after].map(([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
    const [apart, now] = [before, after].map(([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]));
    this.told.pinch(from, to, apart > 0 ? now / apart : 1);
  }

  #up(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    const point = this.#point(event);
    if (this.state === "drag") this.told.drop(point, this.grabbed);
    if (this.state === "aim") this.told.place(point);
    if (this.state === "pressed") this.told.tap(point, this.grabbed);
    // Of a pinch, the finger that stays longer means nothing any more.
    if (this.fingers.size === 0 || this.state !== "pinch") this.#end();
  }

  #lost(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    this.told.cancel();
    if (this.fingers.size === 0) this.#end();
    else this.state = "pinch";
  }

  #end() {
    this.#rest();
    this.told.up();
  }

  #wheel(event) {
    event.preventDefault();
    const point = this.#point(event);
    this.told.pinch(point, point, Math.exp(-event.deltaY / 400));
  }
}
