// Geometry of polygons on the picture. Points are [x, y] in fractions of the picture. Pure.
// The same rules as agent/domain/polygons.py: what is shown here while one draws is what the agent says later.

const ROUNDING = 1e-9;

/** The shoelace formula, without sign: of a polygon whose edges do not cross. */
export function area(polygon) {
  let sum = 0;
  polygon.forEach(([x1, y1], index) => {
    const [x2, y2] = polygon[(index + 1) % polygon.length];
    sum += x1 * y2 - x2 * y1;
  });
  return Math.abs(sum) / 2;
}

/** Pairs of edges that cross, touch or lie on each other, each edge by the indices of its corners. */
export function crossings(polygon) {
  const corners = withoutRepeats(polygon);
  const ends = corners.map((corner, index) => [corner, corners[(index + 1) % corners.length]]);
  const edges = ends.map(([first, second]) => [polygon[first], polygon[second]]);
  const last = edges.length - 1;
  const found = [];
  for (let i = 0; i < edges.length; i += 1) {
    for (let j = i + 1; j < edges.length; j += 1) {
      const meets =
        j - i === 1
          ? turnsBack(edges[i], edges[j])
          : j - i === last
            ? turnsBack(edges[j], edges[i])
            : meet(edges[i], edges[j]);
      if (meets) found.push([ends[i], ends[j]]);
    }
  }
  return found;
}

/** Where two edges cross; null where they only touch or lie on each other. */
export function crossingPoint([[x1, y1], [x2, y2]], [[x3, y3], [x4, y4]]) {
  const across = (x2 - x1) * (y4 - y3) - (y2 - y1) * (x4 - x3);
  if (Math.abs(across) < ROUNDING) return null;
  const along = ((x3 - x1) * (y4 - y3) - (y3 - y1) * (x4 - x3)) / across;
  return [x1 + along * (x2 - x1), y1 + along * (y2 - y1)];
}

/** Whether a point lies inside a polygon (even–odd rule). */
export function inside([x, y], polygon) {
  let result = false;
  polygon.forEach(([x1, y1], index) => {
    const [x2, y2] = polygon[(index + 1) % polygon.length];
    if (y1 > y !== y2 > y && x < x1 + ((x2 - x1) * (y - y1)) / (y2 - y1)) result = !result;
  });
  return result;
}

/** The point of an edge that is nearest to a point. */
export function nearestOn([x, y], [[x1, y1], [x2, y2]]) {
  const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const along = length === 0 ? 0 : ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length;
  const kept = Math.min(1, Math.max(0, along));
  return [x1 + kept * (x2 - x1), y1 + kept * (y2 - y1)];
}

export function distance([x1, y1], [x2, y2]) {
  return Math.hypot(x2 - x1, y2 - y1);
}

export function middle([x1, y1], [x2, y2]) {
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

/** The middle of the box around some points. */
export function centre(points) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
}

/** A point inside a polygon to write its name at: the middle, or of the widest part at half its height. */
export function labelPoint(polygon) {
  const [x, y] = centre(polygon);
  if (inside([x, y], polygon)) return [x, y];
  const at = polygon
    .map(([x1, y1], index) => [[x1, y1], polygon[(index + 1) % polygon.length]])
    .filter(([[, y1], [, y2]]) => y1 > y !== y2 > y)
    .map(([[x1, y1], [x2, y2]]) => x1 + ((x2 - x1) * (y - y1)) / (y2 - y1))
    .sort((a, b) => a - b);
  let best = [x, y];
  let breadth = -1;
  for (let index = 0; index + 1 < at.length; index += 2) {
    if (at[index + 1] - at[index] > breadth) {
      breadth = at[index + 1] - at[index];
      best = [(at[index] + at[index + 1]) / 2, y];
    }
  }
  return best;
}

/** A number within 0 and 1, with the four digits that zones.json keeps: a tenth of a pixel of 1280. */
export function fraction(value) {
  return Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;
}

function withoutRepeats(polygon) {
  const same = (a, b) => a[0] === b[0] && a[1] === b[1];
  const kept = [];
  polygon.forEach((corner, index) => {
    if (!kept.length || !same(corner, polygon[kept.at(-1)])) kept.push(index);
  });
  while (kept.length > 1 && same(polygon[kept.at(-1)], polygon[kept[0]])) kept.pop();
  return kept;
}

function side([[x1, y1], [x2, y2]], [x, y]) {
  const value = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1);
  return Math.abs(value) > ROUNDING ? value : 0;
}

function within([[x1, y1], [x2, y2]], [x, y]) {
  return (
    Math.min(x1, x2) - ROUNDING <= x &&
    x <= Math.max(x1, x2) + ROUNDING &&
    Math.min(y1, y2) - ROUNDING <= y &&
    y <= Math.max(y1, y2) + ROUNDING
  );
}

function meet(a, b) {
  const apart = [side(a, b[0]), side(a, b[1]), side(b, a[0]), side(b, a[1])];
  if (apart[0] * apart[1] < 0 && apart[2] * apart[3] < 0) return true;
  const ends = [
    [a, b[0]],
    [a, b[1]],
    [b, a[0]],
    [b, a[1]],
  ];
  return ends.some(([edge, point], index) => apart[index] === 0 && within(edge, point));
}

function turnsBack(edge, following) {
  const [[x1, y1], [x2, y2]] = edge;
  const [x3, y3] = following[1];
  const back = (x2 - x1) * (x3 - x2) + (y2 - y1) * (y3 - y2) < 0;
  return back && side(edge, following[1]) === 0;
}
