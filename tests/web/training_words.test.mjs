import assert from "node:assert/strict";
import test from "node:test";
import { fromPage } from "./page_hooks.mjs";

const { curveText, isStage, stageText } = await fromPage("train/words.js");
const { tickText, ticks } = await fromPage("train/ticks.js");

/** The losses of updates that follow a curve, from the first. */
const losses = (steps, loss) => Array.from({ length: steps }, (_, i) => ({ step: i + 1, loss: loss(i + 1) }));
const said = (text) => Number(/surprise the model (\d+)% less/.exec(text)[1]);

test("a longer training of one curve never reads worse", () => {
  const falling = (step) => 2 + 4 * Math.exp(-step / 8);
  const after = (steps) => said(curveText({ points: losses(steps, falling), held_out: [], steps }, true));
  const read = [10, 20, 60, 100, 200, 1000].map(after);
  assert.deepEqual(read, [...read].sort((one, other) => one - other));
  // From the mean of the first five updates to the floor of the curve.
  const first = losses(5, falling).reduce((sum, { loss }) => sum + loss, 0) / 5;
  assert.equal(read.at(-1), Math.round(100 * (1 - 2 / first)));
});

test("what was kept aside is compared with the model before any update", () => {
  const held_out = [{ step: 0, loss: 4 }, { step: 10, loss: 2 }, { step: 20, loss: 1 }];
  const text = curveText({ points: losses(20, () => 3), held_out, steps: 20 }, true);
  assert.match(text, /music kept aside surprises it 75% less than/);
});

const OLD = "loading nano\npreparing the songs\ntraining\nloss on held-out songs 4.1 after 4 updates\n";

test("stages are shown in their order, from the log while there is no progress", () => {
  const shown = (log) => stageText({ status: "processing" }, null, log);
  assert.equal(shown(""), "Getting ready");
  assert.equal(shown("loading nano\n"), "Loading the model");
  assert.equal(shown("loading nano\npreparing the songs\nnote: 3 songs: no text\n"), "Listening to your songs");
  assert.equal(shown(OLD), "Learning");
  assert.equal(shown(`${OLD}loading nano\n`), "Loading the model");  // resumed, then reloaded
  assert.equal(shown(`${OLD}generating with the new model\n`), "Making pieces to compare");
  assert.equal(shown(`${OLD}writing the weights\n`), "Saving the model");
});

test("a note is no stage", () => {
  assert.equal(isStage("training"), true);
  assert.equal(isStage("loading songloom/nano"), true);
  assert.equal(isStage("loss on held-out songs 4.1 after 4 updates"), false);
  assert.equal(isStage("note: preparing took long"), false);
});

test("an axis has several marks, whatever its range", () => {
  for (const [low, high] of [[2.31, 2.36], [0.9, 1.05], [3.99, 4.01], [0.1, 9.7], [5.004, 5.0049], [1, 2], [0.95, 1.95]]) {
    const found = ticks(low, high, 3);
    assert.ok(found.length >= 3 && found.length <= 8, `${low} to ${high}: ${found}`);
    assert.ok(found.every((value) => value >= low - 1e-9 && value <= high + 1e-9));
    assert.equal(new Set(found.map((value) => tickText(value, found))).size, found.length);
  }
});

test("updates are counted in whole numbers", () => {
  for (const steps of [1, 2, 3, 4, 7, 60, 200, 999, 2400]) {
    const found = ticks(0, steps, 4, { whole: true });
    assert.ok(found.every(Number.isInteger), `${steps}: ${found}`);
    assert.ok(found.length >= Math.min(4, steps + 1), `${steps}: ${found}`);
  }
});
