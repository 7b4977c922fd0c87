// What is wrong with an outline, while it is drawn: in words' keys and facts. Pure.
// The agent judges again before anything is applied; this only says it at once.

import { area, crossingPoint, crossings } from "./geometry.js";

/**
 * @param polygon corners in fractions of the picture
 * @param bounds {smallest_area}: the agent's own bounds
 * @returns [{key, facts, edges?, at?}], the worst first; edges by their first corner
 */
export function faultsOf(polygon, bounds) {
  const faults = [];
  polygon.forEach(([x, y], index) => {
    if (x < 0 || x > 1 || y < 0 || y > 1) {
      faults.push({ key: "fault_outside", facts: { corner: index + 1 }, corner: index, edges: [] });
    }
  });
  const crossed = crossings(polygon);
  if (crossed.length) {
    const [[a, b], [c, d]] = crossed[0];
    faults.push({
      key: "fault_crossing",
      facts: { first: `${a + 1}–${b + 1}`, second: `${c + 1}–${d + 1}` },
      edges: [...new Set(crossed.flatMap(([[first], [second]]) => [first, second]))],
      at: crossed
        .map(([[i, j], [k, l]]) => crossingPoint([polygon[i], polygon[j]], [polygon[k], polygon[l]]))
        .filter((point) => point !== null),
    });
  }
  // An outline that crosses itself has no area that the formula could tell.
  if (polygon.length >= 3 && !crossed.length && area(polygon) < bounds.smallest_area) {
    faults.push({ key: "fault_tiny", facts: {}, edges: [] });
  }
  return faults;
}
