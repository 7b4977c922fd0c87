// What the fingers on the picture do to the zones.

import { movedBy, withHandle } from "./anchoring.js";
import { Gestures } from "./gestures.js";
import { distance, inside, nearestOn } from "./geometry.js";
import { REACH_PX } from "./handles.js";
import { snapped } from "./snapping.js";

export class Fingers {
  constructor(canvas, editor, magnifier) {
    this.canvas = canvas;
    this.editor = editor;
    this.viewport = canvas.viewport;
    this.magnifier = magnifier;
    this.snapping = true;
    this.drags = 0;
    new Gestures(canvas.stage, this);
  }

  // What lies under a finger -------------------------------------------------------------------

  grab(point) {
    if (this.editor.laying) return this.#held(point);
    const zone = this.editor.drawing ? null : this.editor.zone;
    if (zone === null) return null;
    const found = this.canvas.handles.at(point, zone.polygon);
    if (found === null) return null;
    const [x, y] = this.viewport.toScreen(found.whole ? this.viewport.toPicture(point) : zone.polygon[found.corner]);
    // A corner keeps its distance from the finger: it does not jump under it.
    const from = this.viewport.toPicture(point);
    return { ...found, off: [x - point[0], y - point[1]], from, polygon: zone.polygon };
  }

  #held(point) {
    const far = this.editor.laying.to.map((hold) => distance(this.viewport.toScreen(hold), point));
    const nearest = far.indexOf(Math.min(...far));
    if (far[nearest] <= REACH_PX) return { hold: nearest };
    const inFrame = inside(this.viewport.toPicture(point), this.editor.laying.to);
    return inFrame ? { frame: true, from: this.viewport.toPicture(point) } : null;
  }

  // One finger -----------------------------------------------------------------------------------

  down(point, grabbed) {
    this.drags += 1;
    this.before = this.editor.history.present;
    if (grabbed?.corner === undefined) return;
    this.editor.select(this.editor.zone.zone_id, grabbed.corner);
    this.#magnify(this.editor.zone.polygon[grabbed.corner]);
  }

  hold(point) {
    if (!this.editor.drawing) return false;
    this.aim(point);
    return true;
  }

  aim(point) {
    this.#magnify(this.#snapped(this.viewport.toPicture(point), null).point);
  }

  place(point) {
    this.#tapCorner(point);
  }

  long(point, grabbed) {
    if (this.editor.drawing || this.editor.laying || this.editor.zone === null) return false;
    if (grabbed?.whole) return false;
    const { polygon } = this.editor.zone;
    const on = grabbed ? distance(this.viewport.toScreen(polygon[grabbed.corner]), point) : Infinity;
    // Small zones are nearly all corners: only what is pressed in its middle is deleted.
    if (on <= REACH_PX / 2) {
      navigator.vibrate?.(30);
      this.editor.deleteCorner(grabbed.corner);
      return true;
    }
    return this.#insert(point);
  }

  #insert(point) {
    const { polygon } = this.editor.zone;
    const edges = polygon.map((corner, index) => {
      const on = nearestOn(point, [
        this.viewport.toScreen(corner),
        this.viewport.toScreen(polygon[(index + 1) % polygon.length]),
      ]);
      return { index, on, far: distance(on, point) };
    });
    const nearest = edges.reduce((best, edge) => (edge.far < best.far ? edge : best));
    if (nearest.far > REACH_PX) return false;
    navigator.vibrate?.(30);
    this.editor.insertCorner(nearest.index, this.viewport.toPicture(nearest.on));
    return true;
  }

  drag(point, grabbed) {
    if (grabbed.hold !== undefined) this.#lay(withHandle(this.editor.laying, grabbed.hold, this.viewport.toPicture(point)));
    else if (grabbed.frame) {
      const to = this.viewport.toPicture(point);
      this.#lay(movedBy(this.editor.laying, [to[0] - grabbed.from[0], to[1] - grabbed.from[1]]));
      grabbed.from = to;
    } else if (grabbed.whole) this.#dragWhole(point, grabbed);
    else this.#dragCorner(point, grabbed);
  }

  #dragWhole(point, grabbed) {
    const to = this.viewport.toPicture(point);
    const by = [to[0] - grabbed.from[0], to[1] - grabbed.from[1]];
    this.editor.moveZone(by, `drag ${this.drags}`, grabbed.polygon);
  }

  #dragCorner(point, grabbed) {
    const at = this.viewport.toPicture([point[0] + grabbed.off[0], point[1] + grabbed.off[1]]);
    const found = this.#snapped(at, this.editor.zone.zone_id);
    this.editor.moveCorner(grabbed.corner, found.point, `drag ${this.drags}`);
    this.#magnify(found.point);
    if (found.outside) this.editor.told.news("held_at_edge");
  }

  drop() {
    this.editor.history.settle();
  }

  tap(point, grabbed) {
    if (this.editor.laying) return;
    if (this.editor.drawing) {
      this.#tapCorner(point);
      return;
    }
    if (grabbed) return;
    this.editor.select(this.#zoneAt(point)?.zone_id ?? null);
  }

  // The first corner closes the outline.
  #tapCorner(point) {
    const { corners } = this.editor.drawing;
    const first = corners.length > 2 && distance(this.viewport.toScreen(corners[0]), point) <= REACH_PX;
    if (first) this.editor.closeOutline();
    else {
      const at = this.viewport.toPicture(point);
      const far = at.some((value) => value < -0.02 || value > 1.02);
      this.editor.addCorner(far ? at : this.#snapped(at, null).point);
    }
  }

  // The smallest zone under the finger: a bin in front of a pavement is reached, too.
  #zoneAt(point) {
    const at = this.viewport.toPicture(point);
    const under = this.editor.onCamera.filter((zone) => inside(at, zone.polygon));
    const size = (zone) => zone.polygon.reduce((sum, corner) => sum + distance(corner, at), 0) / zone.polygon.length;
    return under.sort((a, b) => size(a) - size(b))[0] ?? null;
  }

  // Two fingers, and the end ----------------------------------------------------------------------

  pan(dx, dy) {
    this.viewport.pan(dx, dy);
    this.canvas.render();
  }

  pinch(from, to, times) {
    this.viewport.pinch(from, to, times);
    this.canvas.render();
  }

  /** A second finger came: what the first one had begun to move goes back. */
  cancel() {
    this.magnifier.hide();
    if (this.editor.history.merging === `drag ${this.drags}`) {
      this.editor.history.undo();
      this.editor.history.future = [];
      this.editor.told.changed();
    }
  }

  up() {
    this.magnifier.hide();
  }

  #snapped(at, zoneId) {
    const others = this.editor.onCamera
      .filter((zone) => zone.zone_id !== zoneId)
      .flatMap((zone) => zone.polygon);
    const near = this.snapping ? others : [];
    return snapped(at, near, this.viewport.size, this.editor.configuration.bounds.at_edge);
  }

  #lay(laying) {
    this.editor.laying = laying;
    this.editor.told.shown();
  }

  #magnify(point) {
    this.magnifier.show(this.viewport.toScreen(point), this.canvas.url, this.viewport);
  }
}
