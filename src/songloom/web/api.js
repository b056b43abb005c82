// The server's HTTP API. Nothing else in the page makes requests.
import { message } from "./ui/format.js";
import { signal } from "./ui/html.js";

const TOKEN_KEY = "songloom.token";
const RETRY_MS = [500, 1000, 2000, 5000, 10_000];
const HERE = new URL(".", document.baseURI);

/** Whether the server answers; the shell says so where it does not. */
export const online = signal(true);
/** Holds a function while a token is asked for: it takes the token, or null for none. */
export const tokenAsked = signal(null);

/** An answer other than success, in words that can be shown. */
export class ApiError extends Error {
  /** @param {number} status @param {string} title @param {string} detail @param {object[]} [fields] */
  constructor(status, title, detail, fields = []) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.detail = detail || title;
    /** What was wrong with which field: {field, description}. */
    this.fields = fields;
  }
}

/** All that the page asks the server; answers are JSON, and what fails is an `ApiError`. */
export const api = {
  /** @param {string} path @param {{signal?: AbortSignal}} [options] */
  get: (path, options) => json("GET", path, undefined, options),
  /** @param {string} path @param {unknown} [body] */
  post: (path, body, options) => json("POST", path, body, options),
  put: (path, body, options) => json("PUT", path, body, options),
  patch: (path, body, options) => json("PATCH", path, body, options),
  del: (path, body, options) => json("DELETE", path, body, options),
  url,
  token,
  setToken,
  events,
  upload,
  uploadFile,
  check,
};

/**
 * A URL on this server as the page reaches it, whatever name the server gives itself.
 * @param {string} address a path such as /v1/models, or a URL of an answer
 */
export function url(address) {
  if (address.startsWith("/")) return new URL(address.slice(1), HERE).href;
  const parts = new URL(address, HERE);
  if (parts.protocol === "blob:" || parts.protocol === "data:") return address;
  return new URL(parts.pathname + parts.search, HERE).href;
}

function token() {
  try {
    return localStorage.getItem(TOKEN_KEY) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} text an empty one forgets the token */
function setToken(text) {
  try {
    if (text) localStorage.setItem(TOKEN_KEY, text);
    else localStorage.removeItem(TOKEN_KEY);
  } catch {
    // Without storage the token is asked for at every visit.
  }
}

function authorized(headers = {}) {
  return token() ? { ...headers, Authorization: `Bearer ${token()}` } : headers;
}

async function json(method, path, body, options = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const response = await request(path, { method, headers, body: sent, ...options });
  if (response.status === 204) return null;
  return response.json();
}

/** One request, made again with a token where the server wants one. */
async function request(path, options) {
  for (;;) {
    let response;
    try {
      response = await fetch(url(path), { ...options, headers: authorized(options.headers) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
    online.value = true;
    if (response.ok) return response;
    if (response.status === 401 && (await askForToken())) continue;
    throw await failure(response);
  }
}

function unreachable() {
  if (online.value) watchForServer();
  online.value = false;
  return new ApiError(
    0,
    "songloom is not responding",
    "Is songloom still running? Start it again with songloom serve; work in progress will continue.",
  );
}

/** Asks whether the server answers; `online` says it afterwards. */
async function check() {
  try {
    await fetch(url("/livez"));
    online.value = true;
  } catch {
    unreachable();
  }
}

async function watchForServer() {
  for (let tries = 0; ; tries += 1) {
    await pause(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
    try {
      await fetch(url("/livez"));
      online.value = true;
      return;
    } catch {
      // Still not there.
    }
  }
}

async function failure(response) {
  if (response.status === 401) {
    return new ApiError(401, "This server asks for a token", "It can’t be used without one. Try again to enter it.");
  }
  const told = await response.json().catch(() => ({}));
  const detail = typeof told.detail === "string" ? message(told.detail) : "";
  const title = told.title || response.statusText || `Error ${response.status}`;
  return new ApiError(response.status, title, detail, told.invalid_fields ?? []);
}

let asking = null;

/** Whether a new token was given; all requests that wait for one share the question. */
function askForToken() {
  asking ??= new Promise((resolve) => {
    tokenAsked.value = (given) => {
      tokenAsked.value = null;
      asking = null;
      if (given) setToken(given);
      resolve(Boolean(given));
    };
  });
  return asking;
}

/**
 * Listens to Server-Sent Events until closed, connecting again where the connection is lost.
 * @param {string} address
 * @param {Record<string, (data: any) => false|void>} handlers by the events' names; one that
 *   returns false has seen the last; `closed` is told when the server says that there is no more
 * @returns {() => void} closes
 */
function events(address, handlers) {
  const stop = new AbortController();
  listen(address, handlers, stop.signal).catch((error) => {
    if (!stop.signal.aborted) handlers.closed?.(error);
  });
  return () => stop.abort();
}

async function listen(address, handlers, aborted) {
  let last = "";
  let over = false;
  for (let tries = 0; !aborted.aborted; ) {
    try {
      const headers = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
      const response = await request(address, { headers, signal: aborted });
      if (response.status === 204) return handlers.closed?.(null);
      for await (const event of eventsOf(response)) {
        tries = 0;
        last = event.id || last;
        if (event.data && handlers[event.name]?.(JSON.parse(event.data)) === false) over = true;
      }
      if (over) return;
    } catch (error) {
      if (aborted.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) throw error;
      if (!(error instanceof ApiError) && !(error instanceof TypeError)) throw error;
    }
    await pause(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
    tries += 1;
  }
}

async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { name: "message", id: "", data: "" };
      for (const line of block.split(/\r?\n/)) {
        const [, field, text] = /^(\w*): ?(.*)$/.exec(line) ?? [];
        if (field === "event") event.name = text;
        else if (field === "id") event.id = text;
        else if (field === "data") event.data += event.data ? `\n${text}` : text;
      }
      if (event.data) yield event;
    }
  }
}

/**
 * Sends a file as the body of a request.
 * @param {string} path
 * @param {Blob} file
 * @param {(share: number) => void} [onProgress] from 0 to 1
 * @param {{method?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<any>} the answer's JSON
 */
async function upload(path, file, onProgress, options = {}) {
  for (;;) {
    try {
      return await send(path, file, onProgress, options);
    } catch (error) {
      if (error.status !== 401 || !(await askForToken())) throw error;
    }
  }
}

/**
 * Uploads a file for use as an input.
 * @param {File} file
 * @param {(share: number) => void} [onProgress]
 * @returns {Promise<{id: string, name: string, urls: {get: string, download: string}}>}
 */
function uploadFile(file, onProgress) {
  const form = new FormData();
  form.append("content", file, file.name);
  return upload("/v1/files", form, onProgress, { method: "POST" });
}

function send(path, body, onProgress, { method = "PUT", signal: aborted } = {}) {
  return new Promise((resolve, reject) => {
    // fetch can't tell how much of a body has been sent.
    const sending = new XMLHttpRequest();
    sending.open(method, url(path));
    for (const [name, value] of Object.entries(authorized({ Accept: "application/json" }))) {
      sending.setRequestHeader(name, value);
    }
    sending.upload.onprogress = (event) => event.total && onProgress?.(event.loaded / event.total);
    sending.onerror = () => reject(unreachable());
    sending.onabort = () => reject(new DOMException("The upload was stopped", "AbortError"));
    sending.onload = async () => {
      const { status, statusText, responseText } = sending;
      const answer = new Response(status === 204 ? null : responseText, { status, statusText });
      if (!answer.ok) reject(await failure(answer));
      else resolve(status === 204 ? null : await answer.json());
    };
    aborted?.addEventListener("abort", () => sending.abort());
    sending.send(body);
  });
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
