// Where a corner comes to lie: on the picture's edge or on another zone's corner, if it is near. Pure.

import { distance, fraction } from "./geometry.js";

/** How near a finger must come, in pixels of the screen. */
export const NEAR_PX = 14;

/**
 * @param point where the finger is, in fractions; may lie outside of the picture
 * @param others corners that may be met, in fractions
 * @param size {width, height} of the picture on the screen, in pixels
 * @param atEdge nearer to the edge than this share, the agent takes a corner for on the edge
 * @returns {point, to: "corner" | "edge" | null, outside: whether it was held back at the edge}
 */
export function snapped(point, others, size, atEdge) {
  const onScreen = ([x, y]) => [x * size.width, y * size.height];
  const here = onScreen(point);
  let best = null;
  for (const other of others) {
    const far = distance(here, onScreen(other));
    if (far <= NEAR_PX && (best === null || far < best.far)) best = { far, other };
  }
  if (best !== null) return { point: [...best.other], to: "corner", outside: false };
  const [x, y] = point;
  const outside = x < 0 || x > 1 || y < 0 || y > 1;
  const held = [toEdge(x, size.width, atEdge), toEdge(y, size.height, atEdge)];
  const edge = held.some((value) => value === 0 || value === 1);
  return { point: held.map(fraction), to: edge ? "edge" : null, outside };
}

function toEdge(value, length, atEdge) {
  const near = Math.max(atEdge, Math.min(NEAR_PX / length, 0.02));
  if (value < near) return 0;
  return value > 1 - near ? 1 : value;
}
