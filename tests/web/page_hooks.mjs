// Lets Node import the modules of the page as a browser does: all are ES modules, and bare names
// are those of the page's import map.

import { readFileSync } from "node:fs";
import { register } from "node:module";

const PAGE = new URL("../../src/songloom/web/", import.meta.url);
const index = readFileSync(new URL("index.html", PAGE), "utf8");
const { imports } = JSON.parse(/importmap[^>]*>(.*?)<\/script>/s.exec(index)[1]);
const known = Object.fromEntries(
  Object.entries(imports).map(([name, path]) => [name, new URL(path.replace("./assets/", ""), PAGE).href]),
);

const hooks = `
  const PAGE = ${JSON.stringify(PAGE.href)};
  const KNOWN = ${JSON.stringify(known)};
  export const resolve = (name, context, next) => next(KNOWN[name] ?? name, context);
  export const load = (url, context, next) =>
    next(url, url.startsWith(PAGE) ? { ...context, format: "module" } : context);
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

// What the modules look at while they are imported.
globalThis.location = { hash: "", href: "http://127.0.0.1/" };
globalThis.document = { baseURI: "http://127.0.0.1/", addEventListener() {} };
globalThis.addEventListener = () => {};

/** Imports a module of the page. @param {string} path below its folder */
export const fromPage = (path) => import(new URL(path, PAGE));
