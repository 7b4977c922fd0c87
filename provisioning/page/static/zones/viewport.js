// Which part of the picture is on the screen: zoom and shift. Fractions of the picture to pixels and back. Pure.

export const MARGIN_PX = 14;
export const CLOSEST = 10;

export class Viewport {
  constructor() {
    this.stage = { width: 1, height: 1 };
    this.aspect = 16 / 9;
    this.fit();
  }

  resize(width, height, aspect = this.aspect) {
    this.stage = { width: Math.max(1, width), height: Math.max(1, height) };
    this.aspect = aspect;
    this.#hold();
  }

  /** The whole picture. */
  fit() {
    this.zoom = 1;
    this.left = 0;
    this.top = 0;
    this.#hold();
  }

  /** The picture's size on the screen, in pixels. */
  get size() {
    const width = this.stage.width - 2 * MARGIN_PX;
    const height = this.stage.height - 2 * MARGIN_PX;
    const whole = Math.max(1, Math.min(width, height * this.aspect));
    return { width: whole * this.zoom, height: (whole / this.aspect) * this.zoom };
  }

  toScreen([x, y]) {
    const { width, height } = this.size;
    return [this.left + x * width, this.top + y * height];
  }

  toPicture([x, y]) {
    const { width, height } = this.size;
    return [(x - this.left) / width, (y - this.top) / height];
  }

  /** Two fingers that were around one point are now around another, so many times as far apart. */
  pinch([x0, y0], [x1, y1], times) {
    const [x, y] = this.toPicture([x0, y0]);
    this.zoom = Math.min(CLOSEST, Math.max(1, this.zoom * times));
    const { width, height } = this.size;
    this.left = x1 - x * width;
    this.top = y1 - y * height;
    this.#hold();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.#hold();
  }

  /** Bring a point into sight, such as a corner that is reached by the keyboard. */
  show(point) {
    const [x, y] = this.toScreen(point);
    const room = 30;
    const dx = x < room ? room - x : Math.min(0, this.stage.width - room - x);
    const dy = y < room ? room - y : Math.min(0, this.stage.height - room - y);
    if (dx || dy) this.pan(dx, dy);
  }

  /** The part of the picture that is on the screen, in fractions. */
  get seen() {
    const [left, top] = this.toPicture([0, 0]).map((each) => Math.max(0, each));
    const [right, bottom] = this.toPicture([this.stage.width, this.stage.height]).map((each) =>
      Math.min(1, each),
    );
    return { left, top, right, bottom };
  }

  // The picture never leaves the screen: smaller than the stage it stands in its middle.
  #hold() {
    const { width, height } = this.size;
    this.left = held(this.left, width, this.stage.width);
    this.top = held(this.top, height, this.stage.height);
  }
}

function held(begin, length, room) {
  const free = room - length;
  if (free >= 2 * MARGIN_PX) return free / 2;
  return Math.min(MARGIN_PX, Math.max(free - MARGIN_PX, begin));
}
