// What can be done to the zones of a site: each function gives new zones and leaves the old ones as they are. Pure.

import { fraction, middle } from "./geometry.js";

export const FEWEST_CORNERS = 3;

export function zoneOf(zones, zoneId) {
  return zones.find((zone) => zone.zone_id === zoneId) ?? null;
}

export function changed(zones, zoneId, change) {
  return zones.map((zone) => (zone.zone_id === zoneId ? change(zone) : zone));
}

export function withCorner(zones, zoneId, index, [x, y]) {
  return changed(zones, zoneId, (zone) => ({
    ...zone,
    polygon: zone.polygon.map((corner, at) => (at === index ? [fraction(x), fraction(y)] : corner)),
  }));
}

/** A corner on the edge that begins at a corner; in its middle unless told where. */
export function withNewCorner(zones, zoneId, after, at = null) {
  return changed(zones, zoneId, (zone) => {
    const next = zone.polygon[(after + 1) % zone.polygon.length];
    const [x, y] = at ?? middle(zone.polygon[after], next);
    const polygon = [...zone.polygon];
    polygon.splice(after + 1, 0, [fraction(x), fraction(y)]);
    return { ...zone, polygon };
  });
}

/** Without a corner; null where the last three would be touched. */
export function withoutCorner(zones, zoneId, index) {
  const zone = zoneOf(zones, zoneId);
  if (zone === null || zone.polygon.length <= FEWEST_CORNERS) return null;
  const polygon = zone.polygon.filter((_, at) => at !== index);
  return changed(zones, zoneId, () => ({ ...zone, polygon }));
}

/** A zone moved as a whole from where it was drawn, as far as the picture goes. */
export function moved(zones, zoneId, polygon, [dx, dy]) {
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  const right = Math.min(1 - Math.max(...xs), Math.max(-Math.min(...xs), dx));
  const down = Math.min(1 - Math.max(...ys), Math.max(-Math.min(...ys), dy));
  const there = polygon.map(([x, y]) => [fraction(x + right), fraction(y + down)]);
  return changed(zones, zoneId, (zone) => ({ ...zone, polygon: there }));
}

/** With a key of a zone said, or left out where the value is null. */
export function withKey(zones, zoneId, key, value) {
  return changed(zones, zoneId, (zone) => {
    const { [key]: _, ...rest } = zone;
    return value === null ? rest : { ...rest, [key]: value };
  });
}

/** With a name in one language ("zh" or "en"); an empty one is left out. */
export function withName(zones, zoneId, language, text) {
  const { [language]: _, ...others } = zoneOf(zones, zoneId)?.name ?? {};
  const name = text.trim() === "" ? others : { ...others, [language]: text };
  return withKey(zones, zoneId, "name", Object.keys(name).length ? name : null);
}

export function without(zones, zoneId) {
  return zones.filter((zone) => zone.zone_id !== zoneId);
}

/** An id that no zone has: the kind, and the first number that is free. */
export function freeId(zones, kind) {
  const taken = new Set(zones.map((zone) => zone.zone_id.toLowerCase()));
  const stem = kind.replaceAll("_", "-");
  let number = 1;
  while (taken.has(`${stem}-${number}`)) number += 1;
  return `${stem}-${number}`;
}

export function withZone(zones, camera, kind, polygon) {
  const zone_id = freeId(zones, kind);
  const corners = polygon.map(([x, y]) => [fraction(x), fraction(y)]);
  return { zones: [...zones, { zone_id, camera_id: camera, kind, polygon: corners }], zone_id };
}

const OF_THE_RULE = ["zone_id", "camera_id", "kind", "polygon", "name", "allowed_s", "warn_after_s", "in_force", "permitted"];

/** A zone with what it says of its rule; without what the city files about the ground it was drawn for. */
export function ruleAlone(zone) {
  return Object.fromEntries(Object.entries(zone).filter(([key]) => OF_THE_RULE.includes(key)));
}

/** Whether what was read is a list of zones that can be drawn; what is wrong with it else, as a key of the words. */
export function readable(document) {
  const zones = document?.zones;
  if (!Array.isArray(zones)) return "copy_no_zones";
  if (zones.length === 0) return "copy_empty";
  const drawn = zones.every(
    (zone) =>
      typeof zone?.kind === "string" &&
      typeof zone?.zone_id === "string" &&
      Array.isArray(zone?.polygon) &&
      zone.polygon.length >= FEWEST_CORNERS &&
      zone.polygon.every(
        (corner) => Array.isArray(corner) && corner.length === 2 && corner.every(Number.isFinite),
      ),
  );
  return drawn ? null : "copy_not_drawn";
}
