// Zones of a sister unit or an old site, laid onto this picture: a proposal until somebody accepts it. Pure.

import { fraction } from "./geometry.js";
import { homography, laid, onPicture } from "./homography.js";

const ROOM = 0.05;
const CORNERS = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

/** The proposal as it begins: every zone where it was drawn, held by four handles around all of them. */
export function proposal(zones) {
  const corners = zones.flatMap((zone) => zone.polygon);
  const xs = corners.map(([x]) => x);
  const ys = corners.map(([, y]) => y);
  const left = Math.min(...xs) - ROOM;
  const right = Math.max(...xs) + ROOM;
  const top = Math.min(...ys) - ROOM;
  const bottom = Math.max(...ys) + ROOM;
  const from = [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];
  const onto = from.map((corner) => corner.map((value) => Math.min(1, Math.max(0, value))));
  return { zones, from: onto, to: onto };
}

/**
 * The proposal that the agent made by comparing pictures.
 * @param moved [{zone_id, polygon, sure}]; a polygon without corners lies beside the picture
 */
export function fitted(zones, moved) {
  const there = new Map(moved.map((each) => [each.zone_id, each]));
  const seen = zones.filter((zone) => there.get(zone.zone_id)?.polygon.length);
  const laid = seen.map((zone) => ({ ...zone, polygon: there.get(zone.zone_id).polygon }));
  return {
    ...(laid.length ? proposal(laid) : { zones: [], from: CORNERS, to: CORNERS }),
    beside: zones.filter((zone) => !seen.includes(zone)),
    unsure: laid.filter((zone) => !there.get(zone.zone_id).sure),
  };
}

export function withHandle(laying, index, point) {
  return { ...laying, to: laying.to.map((each, at) => (at === index ? point : each)) };
}

export function movedBy(laying, [dx, dy]) {
  return { ...laying, to: laying.to.map(([x, y]) => [x + dx, y + dy]) };
}

/** A unit on the other side of the street sees left what this one sees right. */
export function mirrored(laying) {
  const [a, b, c, d] = laying.to;
  return { ...laying, to: [b, a, d, c] };
}

/**
 * The zones as they would be taken over.
 * @returns {zones: those of which something lies on the picture, lost: those of which nothing does,
 *   cut: ids of those that the picture cuts off, folded: whether the four handles fit no view of the ground}
 */
export function result(laying) {
  const numbers = homography(laying.from, laying.to);
  if (numbers === null) return { zones: [], lost: [], cut: [], folded: true };
  const kept = [];
  const lost = [];
  const cut = [];
  for (const zone of laying.zones) {
    const corners = zone.polygon.map((corner) => laid(numbers, corner));
    if (corners.includes(null)) return { zones: [], lost: [], cut: [], folded: true };
    const polygon = withoutRepeats(onPicture(corners).map((corner) => corner.map(fraction)));
    if (polygon.length < 3) lost.push(zone);
    else {
      kept.push({ ...zone, polygon });
      if (corners.some((corner) => corner.some((value) => value < 0 || value > 1))) cut.push(zone);
    }
  }
  return { zones: kept, lost, cut, folded: false };
}

function withoutRepeats(polygon) {
  return polygon.filter(([x, y], index) => {
    const [x1, y1] = polygon[(index + polygon.length - 1) % polygon.length];
    return polygon.length === 1 || x !== x1 || y !== y1;
  });
}
