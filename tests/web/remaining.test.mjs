import assert from "node:assert/strict";
import test from "node:test";
import { fromPage } from "./page_hooks.mjs";

const { Remaining } = await fromPage("create/remaining.js");

test("the rest follows from how fast it goes", () => {
  const remaining = new Remaining();
  assert.equal(remaining.take(0, 0), null);
  assert.equal(remaining.take(0.1, 5000), 45);
});

test("a restart starts the estimate anew", () => {
  const remaining = new Remaining();
  for (let second = 0; second <= 20; second += 1) remaining.take(second / 50, 1000 * second);
  assert.equal(remaining.take(0, 90_000), null);
  assert.ok(Math.abs(remaining.take(0.1, 95_000) - 45) < 1e-9);
});

test("a pause is no slowness", () => {
  const remaining = new Remaining();
  remaining.take(0.1, 0);
  remaining.take(0.2, 5000);
  assert.equal(remaining.take(0.25, 200_000), null);
  assert.ok(Math.abs(remaining.take(0.35, 205_000) - 32.5) < 1e-9);
});
