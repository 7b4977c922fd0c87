// Laying zones of another picture onto this one: a plane seen from two places is related by a homography. Pure.

/** The eight numbers that take four points to four others (direct linear transform); null if three are on a line. */
export function homography(from, to) {
  const rows = [];
  from.forEach(([x, y], index) => {
    const [u, v] = to[index];
    rows.push([x, y, 1, 0, 0, 0, -u * x, -u * y, u]);
    rows.push([0, 0, 0, x, y, 1, -v * x, -v * y, v]);
  });
  return solved(rows);
}

/** Where a point comes to lie; null beyond the horizon. */
export function laid(numbers, [x, y]) {
  const depth = numbers[6] * x + numbers[7] * y + 1;
  if (depth < 1e-6) return null;
  return [
    (numbers[0] * x + numbers[1] * y + numbers[2]) / depth,
    (numbers[3] * x + numbers[4] * y + numbers[5]) / depth,
  ];
}

/** The part of a polygon that lies on the picture (Sutherland–Hodgman); empty where nothing does. */
export function onPicture(polygon) {
  const sides = [
    { axis: 0, at: 0, keeps: (value) => value >= 0 },
    { axis: 0, at: 1, keeps: (value) => value <= 1 },
    { axis: 1, at: 0, keeps: (value) => value >= 0 },
    { axis: 1, at: 1, keeps: (value) => value <= 1 },
  ];
  return sides.reduce((kept, side) => cut(kept, side), polygon);
}

function cut(polygon, { axis, at, keeps }) {
  const kept = [];
  polygon.forEach((point, index) => {
    const next = polygon[(index + 1) % polygon.length];
    if (keeps(point[axis])) kept.push(point);
    if (keeps(point[axis]) !== keeps(next[axis])) {
      const along = (at - point[axis]) / (next[axis] - point[axis]);
      const crossing = [0, 1].map((each) => point[each] + along * (next[each] - point[each]));
      crossing[axis] = at;
      kept.push(crossing);
    }
  });
  return kept;
}

/** Gauss's elimination with the largest pivot first; null where there is no single answer. */
function solved(rows) {
  const count = rows.length;
  for (let column = 0; column < count; column += 1) {
    let best = column;
    for (let row = column + 1; row < count; row += 1) {
      if (Math.abs(rows[row][column]) > Math.abs(rows[best][column])) best = row;
    }
    if (Math.abs(rows[best][column]) < 1e-9) return null;
    [rows[column], rows[best]] = [rows[best], rows[column]];
    for (let row = 0; row < count; row += 1) {
      if (row === column) continue;
      const share = rows[row][column] / rows[column][column];
      for (let each = column; each <= count; each += 1) rows[row][each] -= share * rows[column][each];
    }
  }
  return rows.map((row, index) => row[count] / row[index]);
}
