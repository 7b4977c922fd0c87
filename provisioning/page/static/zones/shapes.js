// Shapes to start from, in the part of the picture that is on the screen. Pure.

export const SHAPES = ["free", "quadrilateral", "band", "box"];

/** The shape that suits a kind of zone: around a thing a box, on the ground a quadrilateral. */
export function suiting(kind) {
  return kind.around_a_thing || kind.kind === "mask" ? "box" : "quadrilateral";
}

/**
 * @param shape one of SHAPES but "free"
 * @param seen {left, top, right, bottom}: the part of the picture on the screen, in fractions
 * @returns corners in fractions, in order around the area
 */
export function cornersOf(shape, seen) {
  return OUTLINES[shape].map(([x, y]) => [
    seen.left + x * (seen.right - seen.left),
    seen.top + y * (seen.bottom - seen.top),
  ]);
}

// Far is up and narrow: ground that is seen from above a street.
const OUTLINES = {
  quadrilateral: [
    [0.34, 0.36],
    [0.66, 0.36],
    [0.76, 0.7],
    [0.24, 0.7],
  ],
  band: [
    [0.16, 0.62],
    [0.46, 0.5],
    [0.8, 0.4],
    [0.84, 0.52],
    [0.52, 0.64],
    [0.22, 0.8],
  ],
  box: [
    [0.4, 0.32],
    [0.6, 0.32],
    [0.6, 0.68],
    [0.4, 0.68],
  ],
};
