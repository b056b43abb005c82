// How long something still takes, judged by how fast it has gone lately.

const WINDOW_MS = 30_000;
const LEAST_SHARE = 0.02;

/** Estimates the rest of one piece of work; a restart of it, or a pause, starts the estimate anew. */
export class Remaining {
  constructor() {
    this.samples = [];
  }

  /**
   * Take how far it is.
   * @param {number} share  from 0 to 1
   * @param {number} now  milliseconds
   * @returns {number|null} seconds that are left; null while that can't be told
   */
  take(share, now) {
    const last = this.samples.at(-1);
    // Going back means that it was started again: what was measured before says nothing.
    if (last && share < last.share) this.samples = [];
    this.samples = [...this.samples.filter(({ at }) => now - at <= WINDOW_MS), { share, at: now }];
    const [first] = this.samples;
    const done = share - first.share;
    if (done < LEAST_SHARE) return null;
    return ((now - first.at) / 1000 / done) * (1 - share);
  }
}
