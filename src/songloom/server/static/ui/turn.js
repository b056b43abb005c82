// One sound at a time: whoever begins to play silences whoever played before.

let silencePlaying = null;  // stops what plays; null while nothing does

/**
 * Silences whatever else plays, and says how to silence who begins now.
 * @param {() => void} silence always the same function of one player
 */
export function takeTurn(silence) {
  const before = silencePlaying;
  silencePlaying = silence;
  if (before && before !== silence) before();
}

/** Forgets one that plays no more. @param {() => void} silence as `takeTurn` was given it */
export function endTurn(silence) {
  if (silencePlaying === silence) silencePlaying = null;
}
