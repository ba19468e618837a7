/**
 * An older Node fails on one of many things that it lacks: it is told what it takes instead.
 */
const NODE_MAJOR_MIN = 24;

/** Throws when this Node is too old. */
export function checkNodeVersion(): void {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= NODE_MAJOR_MIN) return;
  throw new Error(`posthorn needs Node ${NODE_MAJOR_MIN} or newer; this is v${node}.`);
}
