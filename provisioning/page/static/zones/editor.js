// The state of the editor and everything that can be done to it. Knows no element of the page.

import { faultsOf } from "./faults.js";
import { History } from "./history.js";
import { cornersOf } from "./shapes.js";
import * as change from "./zones.js";

/** The finest step of the keyboard: a share of the picture. */
export const STEP = 0.002;

export class Editor {
  /**
   * @param configuration as /api/configuration gives it
   * @param told {changed(): the zones are others, shown(): what is selected is, news(key, facts): said aloud}
   */
  constructor(configuration, told) {
    this.configuration = configuration;
    this.kinds = new Map(configuration.kinds.map((kind) => [kind.kind, kind]));
    this.told = told;
    this.history = new History({ zones: configuration.zones, zone_id: null, corner: null });
    this.camera = null;
    this.drawing = null; // {kind, corners} while corners are tapped
    this.laying = null; // a proposal of zones from elsewhere: anchoring.js
  }

  get zones() {
    return this.history.present.zones;
  }

  get zone() {
    return change.zoneOf(this.zones, this.history.present.zone_id);
  }

  get corner() {
    return this.zone === null ? null : this.history.present.corner;
  }

  get onCamera() {
    return this.zones.filter((zone) => zone.camera_id === this.camera);
  }

  /** Whether the zones are others than those that the unit goes by. */
  get differs() {
    return JSON.stringify(this.zones) !== JSON.stringify(this.configuration.zones);
  }

  faults(zone) {
    return faultsOf(zone.polygon, this.configuration.bounds);
  }

  /** Begin with other zones, such as a draft: nothing before it can be undone to. */
  begin(zones) {
    this.history = new History({ zones, zone_id: null, corner: null });
    this.told.shown();
  }

  select(zoneId, corner = null) {
    const zone = change.zoneOf(this.zones, zoneId);
    if (zone !== null && zone.camera_id !== this.camera) this.camera = zone.camera_id;
    this.history.present = { ...this.history.present, zone_id: zone ? zoneId : null, corner };
    this.history.settle();
    this.told.shown();
  }

  look(camera) {
    if (camera !== this.camera) this.drawing = null;
    this.camera = camera;
    if (this.zone?.camera_id !== camera) this.select(null);
    else this.told.shown();
  }

  /** Every change goes this way, so every change can be undone. */
  do(label, zones, { zone_id = this.zone?.zone_id ?? null, corner = this.corner, merge = null } = {}) {
    this.history.add({ zones, zone_id, corner }, label, merge);
    this.told.changed();
  }

  undo() {
    this.#stepped(this.history.undo(), "undone");
  }

  redo() {
    this.#stepped(this.history.redo(), "redone");
  }

  #stepped(label, how) {
    if (label === null) return;
    this.drawing = null;
    if (this.zone !== null && this.zone.camera_id !== this.camera) this.camera = this.zone.camera_id;
    this.told.changed();
    this.told.news(how, { what: label });
  }

  // Drawing ------------------------------------------------------------------------------------

  /** Whether one more can be drawn; says so if not. */
  get room() {
    const { max_zones } = this.configuration.bounds;
    if (this.zones.length >= max_zones) this.told.news("too_many", { count: max_zones });
    return this.zones.length < max_zones;
  }

  draw(kind) {
    if (!this.room) return;
    this.select(null);
    this.drawing = { kind, corners: [] };
    this.told.shown();
  }

  addShape(kind, shape, seen) {
    if (this.room) this.#added(kind, cornersOf(shape, seen));
  }

  addCorner(point) {
    const [x, y] = point;
    if (x < 0 || x > 1 || y < 0 || y > 1) {
      this.told.news("tap_on_picture");
      return;
    }
    this.drawing = { ...this.drawing, corners: [...this.drawing.corners, point] };
    this.told.shown();
    this.told.news("corner_added", { count: this.drawing.corners.length });
  }

  takeBackCorner() {
    this.drawing = { ...this.drawing, corners: this.drawing.corners.slice(0, -1) };
    this.told.shown();
  }

  closeOutline() {
    const { kind, corners } = this.drawing;
    if (corners.length < change.FEWEST_CORNERS) {
      this.told.news("three_corners");
      return;
    }
    this.drawing = null;
    this.#added(kind, corners);
  }

  stopDrawing() {
    this.drawing = null;
    this.told.shown();
  }

  #added(kind, corners) {
    const { zones, zone_id } = change.withZone(this.zones, this.camera, kind, corners);
    this.do("did_draw", zones, { zone_id, corner: null });
    this.told.news("zone_added", { zone: zone_id });
  }

  // Changing what is drawn -----------------------------------------------------------------------

  moveCorner(index, point, merge) {
    const zones = change.withCorner(this.zones, this.zone.zone_id, index, point);
    this.do("did_move_corner", zones, { corner: index, merge });
  }

  nudge(index, dx, dy) {
    const [x, y] = this.zone.polygon[index];
    this.moveCorner(index, [x + dx, y + dy], `nudge ${this.zone.zone_id} ${index}`);
    this.told.news("corner_at", cornerFacts(this.zone, index));
  }

  /** Move the whole zone, from where it is or from where a drag began. */
  moveZone(by, merge, from = this.zone.polygon) {
    this.do("did_move_zone", change.moved(this.zones, this.zone.zone_id, from, by), { merge });
  }

  insertCorner(after, at = null) {
    const zones = change.withNewCorner(this.zones, this.zone.zone_id, after, at);
    this.do("did_insert", zones, { corner: after + 1 });
    this.told.news("corner_inserted", { corner: after + 2 });
  }

  deleteCorner(index) {
    const zones = change.withoutCorner(this.zones, this.zone.zone_id, index);
    if (zones === null) {
      this.told.news("last_three");
      return;
    }
    const left = this.zone.polygon.length - 1;
    this.do("did_delete_corner", zones, { corner: Math.min(index, left - 1) });
    this.told.news("corner_deleted", { corner: index + 1 });
  }

  /** One key of the selected zone; typing goes on in one step. */
  setKey(key, value, merge = null) {
    const zones = change.withKey(this.zones, this.zone.zone_id, key, value);
    this.do("did_describe", zones, { merge });
  }

  setName(language, text) {
    const zones = change.withName(this.zones, this.zone.zone_id, language, text);
    this.do("did_describe", zones, { merge: `name ${language} ${this.zone.zone_id}` });
  }

  deleteZone(zoneId = this.zone.zone_id) {
    this.do("did_delete_zone", change.without(this.zones, zoneId), { zone_id: null, corner: null });
    this.told.news("zone_deleted", { zone: zoneId });
  }

  /** Zones from elsewhere, as they were accepted. */
  take(zones) {
    let all = this.zones;
    for (const zone of zones) {
      const zone_id = change.zoneOf(all, zone.zone_id) ? change.freeId(all, zone.kind) : zone.zone_id;
      all = [...all, { ...zone, zone_id, camera_id: this.camera }];
    }
    this.do("did_copy", all, { zone_id: null, corner: null });
    this.told.news("zones_copied", { count: zones.length });
  }
}

/** Where a corner is, as it is read out. */
export function cornerFacts({ polygon }, index) {
  const percent = (value) => Math.round(value * 1000) / 10;
  const [x, y] = polygon[index];
  return { corner: index + 1, count: polygon.length, x: percent(x), y: percent(y) };
}
