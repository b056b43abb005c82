import assert from "node:assert/strict";
import test from "node:test";
import { fromPage } from "./page_hooks.mjs";

let changed = () => {};
globalThis.addEventListener = (name, act) => { if (name === "hashchange") changed = act; };
const { route } = await fromPage("router.js");

function at(hash) {
  globalThis.location.hash = hash;
  changed();
  return route.value;
}

test("percent signs that encode nothing stand as they are", () => {
  assert.equal(at("#/%E0%A4%A").view, "create");
  assert.deepEqual([at("#/predictions/%").kind, route.value.id], ["prediction", "%"]);
  assert.equal(at("#/train/%C3%A4").id, "ä");
  assert.equal(at("#/library?q=%E0%A4%A").query.get("q").length > 0, true);
  assert.equal(at("#/constructor").view, "create");
  assert.equal(at("#/__proto__/x").view, "create");
});
