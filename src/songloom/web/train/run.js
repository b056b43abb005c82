// One training as it goes on: its state, progress, losses, clips and log, followed live.

import { signal } from "../ui/html.js";
import { api } from "../api.js";
import { toastError } from "../ui/toast.js";
import { isRunning, isStage } from "./words.js";

const CURVE_PAUSE = 4000;
const MOST_LIVE = 4000; // losses that are kept between two looks at the curve

/** A training that is open on the page. */
export class Run {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.path = `/v1/trainings/${encodeURIComponent(id)}`;
    this.training = signal(null);
    this.error = signal(null);
    this.progress = signal(null);
    this.curve = signal(null);
    this.previews = signal([]);
    this.comparison = signal(null);
    this.log = signal("");
    this.resumedAt = 0; // where the log of the present run begins
  }

  /** Fetch it, and follow it until it ends. */
  async open() {
    this.error.value = null;
    try {
      const [training, item] = await Promise.all([
        api.get(this.path),
        api.get(`/v1/library/${encodeURIComponent(this.id)}`).catch(() => ({})),
      ]);
      this.title = item.title;
      this.log.value = training.logs;
      this.take(training);
      await this.look();
      if (!this.closed) this.follow();
    } catch (error) {
      this.error.value = error;
    }
  }

  /** Follow it no more. */
  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.unfollow?.();
  }

  follow() {
    this.unfollow?.();
    this.unfollow = api.events(this.training.value.urls.events, {
      status: (training) => {
        this.log.value = training.logs || this.log.value;
        this.take(training);
        return isRunning(training);
      },
      progress: (progress) => this.takeProgress(progress),
      log: ({ text }) => {
        this.log.value += `${text}\n`;
        if (isStage(text)) this.progress.value = null; // that of the stage before
      },
      preview: (clip) => clip.url && this.takePreview(clip),
      // It has ended, perhaps while nobody was connected.
      closed: () => this.refresh(),
    });
  }

  async refresh() {
    const training = await api.get(this.path).catch(() => null);
    if (training) this.take(training);
  }

  take(training) {
    const before = this.training.value?.status;
    this.training.value = { ...training, title: this.title };
    if (before && before !== training.status) this.look();
  }

  /** See what has no events of its own: the curve, and what there is to hear. */
  async look() {
    clearTimeout(this.timer);
    const { status } = this.training.value;
    const [curve, previews, comparison] = await Promise.all([
      api.get(`${this.path}/curve`).catch(() => null),
      api.get(`${this.path}/previews`).catch(() => null),
      status === "succeeded" ? api.get(`${this.path}/comparison`).catch(() => null) : null,
    ]);
    if (curve) this.curve.value = curve;
    if (previews) this.previews.value = previews.results;
    this.comparison.value = comparison;
    if (status === "processing" && !this.closed) this.timer = setTimeout(() => this.look(), CURVE_PAUSE);
  }

  takeProgress(progress) {
    this.progress.value = progress;
    const curve = this.curve.value;
    if (progress.stage !== "training" || progress.values?.loss == null || !curve) return;
    // The line grows with each update; now and then the whole curve is fetched in its place.
    if (progress.done <= (curve.points.at(-1)?.step ?? 0) || curve.points.length > MOST_LIVE) return;
    const point = { step: progress.done, loss: progress.values.loss, learning_rate: progress.values.learning_rate };
    this.curve.value = { ...curve, points: [...curve.points, point], steps: progress.total };
  }

  takePreview(clip) {
    const others = this.previews.value.filter((other) => other.step !== clip.step || other.prompt !== clip.prompt);
    this.previews.value = [...others, clip];
  }

  /** What the log says since it was last resumed on this page. */
  recentLog() {
    return this.log.value.slice(this.resumedAt);
  }

  /** End it; what is learned is saved. */
  async stop() {
    try {
      const training = await api.post(`${this.path}/cancel`);
      // One that ran then may have ended since; events tell, and may have come before this answer.
      if (!isRunning(training)) this.take(training);
    } catch (error) {
      toastError(error);
    }
  }

  /** Go on where it was stopped. */
  async resume() {
    try {
      this.progress.value = null;
      this.resumedAt = this.log.value.length;
      this.take(await api.post(`${this.path}/resume`));
      this.follow();
    } catch (error) {
      toastError(error);
    }
  }
}
