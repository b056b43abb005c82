// Round values for the marks of an axis.

const FACTORS = [10, 5, 2, 1];

/**
 * Round values from `low` to `high`: at least `least` of them, and hardly more than twice as many.
 * @param {number} low
 * @param {number} high
 * @param {number} least
 * @param {{whole?: boolean}} [options] `whole` for what can only be counted
 * @returns {number[]}
 */
export function ticks(low, high, least, { whole = false } = {}) {
  if (!(high > low)) return [low];
  const magnitude = Math.ceil(Math.log10(high - low));
  for (let power = magnitude; ; power -= 1) {
    for (const factor of FACTORS) {
      const step = factor * 10 ** (power - 1);
      const found = multiples(step, low, high);
      if (found.length >= least || (whole && step <= 1)) return found;
    }
  }
}

/**
 * A mark as text, with as many digits as tell it from its neighbours.
 * @param {number} value
 * @param {number[]} all the marks
 */
export function tickText(value, all) {
  const step = all.length > 1 ? all[1] - all[0] : 1;
  return value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

function multiples(step, low, high) {
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(Number((i * step).toPrecision(12)));
  return found;
}
