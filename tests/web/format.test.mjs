import assert from "node:assert/strict";
import test from "node:test";
import { fromPage } from "./page_hooks.mjs";

const { clock, cutAtWord } = await fromPage("ui/format.js");

test("a clock never shows more than has passed", () => {
  assert.equal(clock(42.6), "0:42");
  assert.equal(clock(59.99), "0:59");
  assert.equal(clock(3599.9), "59:59");
  assert.equal(clock(3600), "1:00:00");
  assert.equal(clock(2.999), "0:02");
});

test("tenths are those that were meant, for every tenth of ten minutes", () => {
  for (let tenth = 0; tenth < 6000; tenth += 1) {
    const rest = (tenth % 600) / 10;
    assert.equal(clock(tenth / 10, { tenths: true }), `${Math.floor(tenth / 600)}:${rest.toFixed(1).padStart(4, "0")}`);
  }
  assert.equal(clock(42.6 - 32.6, { tenths: true }), "0:10.0");
  assert.equal(clock(9.97, { tenths: true }), "0:09.9");
});

test("names are cut between words", () => {
  const prompt = "happy bossa nova, flute melody, acoustic guitar chords, upright bass, drums, A major";
  assert.equal(cutAtWord(prompt, 67), "happy bossa nova, flute melody, acoustic guitar chords, upright");
  assert.equal(cutAtWord(prompt, 68), "happy bossa nova, flute melody, acoustic guitar chords, upright bass");
  assert.equal(cutAtWord("harp, arpeggio, calm", 15), "harp, arpeggio");
  assert.equal(cutAtWord("short", 80), "short");
  assert.equal(cutAtWord("静かな夜のピアノ", 4), "静かな夜");
  assert.equal(cutAtWord(`a ${"b".repeat(50)}`, 20), `a ${"b".repeat(18)}`);
});
