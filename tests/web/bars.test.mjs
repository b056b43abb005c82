import assert from "node:assert/strict";
import test from "node:test";
import { fromPage } from "./page_hooks.mjs";

const { barsOf, barRenderer } = await fromPage("ui/bars.js");

test("bars have an outline of peaks and a filling of levels", () => {
  const bars = barsOf([0.2, 0.8, 0.4, 0.4], [0.1, 0.1, 0.3, 0.3], 2, 0.8);
  assert.deepEqual(bars.map(({ peak }) => peak), [1, 0.5]);
  assert.deepEqual(bars.map(({ rms }) => Number(rms.toFixed(6))), [0.125, 0.375]);
  const [bar] = barsOf([0.5, -0.5, 0.5, -0.5], null, 1, 0.5);  // samples
  assert.ok(Math.abs(bar.rms - 1) < 1e-9);
});

test("the outline is drawn paler than the filling", () => {
  globalThis.window = {};
  const drawn = [];
  const context = {
    canvas: { width: 5, height: 100 },
    beginPath() { this.bars = []; },
    roundRect(x, y, width, height) { this.bars.push(Math.round(height)); },
    fill() { drawn.push([this.globalAlpha, ...this.bars]); },
  };
  barRenderer([0.2], 0.8)([[0.8], [0.2]], context);
  assert.equal(drawn.length, 2);
  const [[pale, outline], [full, filling]] = drawn;
  assert.ok(pale < 0.6 && full === 1);
  assert.deepEqual([outline, filling], [100, 25]);
});
