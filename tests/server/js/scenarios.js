// What a program in JavaScript does with the official client. Run as
//   node scenarios.js <name> <JSON of its arguments>
// with REPLICATE_BASE_URL and REPLICATE_API_TOKEN set; prints its result as one line of JSON.

const fs = require("node:fs");
const Replicate = require("replicate");

const replicate = new Replicate({
  auth: process.env.REPLICATE_API_TOKEN,
  baseUrl: process.env.REPLICATE_BASE_URL,
});

const said = (error) => ({
  error: error.message,
  status: error.response ? error.response.status : null,
});

async function bytesAt(url) {
  const response = await fetch(url); // as the client's FileOutput does: without the token
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, type: response.headers.get("content-type"), head: bytes.subarray(0, 4).toString("latin1"), size: bytes.length };
}

const scenarios = {
  async run({ ref, input, file, field, wait }) {
    const given = file ? { ...input, [field]: fs.readFileSync(file) } : input;
    const seen = [];
    const output = await replicate.run(ref, { input: given, ...(wait ? { wait } : {}) }, (prediction) => seen.push(prediction));
    const urls = Array.isArray(output) ? output : [output];
    return {
      output,
      statuses: seen.map((prediction) => prediction.status),
      progress: Replicate.parseProgressFromLogs(seen[seen.length - 1]),
      shown: seen[0].input,
      files: await Promise.all(urls.map(bytesAt)),
    };
  },

  async refused({ ref, input }) {
    try {
      return { output: await replicate.run(ref, { input }) };
    } catch (error) {
      return said(error);
    }
  },

  async cancel({ model, input }) {
    const created = await replicate.predictions.create({ model, input });
    const canceled = await replicate.predictions.cancel(created.id);
    const ended = await replicate.wait(created, { interval: 50 });
    return { created: created.status, canceled: canceled.id === created.id, ended: ended.status };
  },

  async list() {
    const ids = [];
    for await (const page of replicate.paginate(replicate.predictions.list)) {
      ids.push(page.map((prediction) => prediction.id));
    }
    return ids;
  },

  async train({ owner, name, version, destination, file, input, run }) {
    const archive = await replicate.files.create(new Blob([fs.readFileSync(file)]), { songs: 2 });
    let training = await replicate.trainings.create(owner, name, version, {
      destination,
      input: { ...input, dataset_path: archive.urls.get },
    });
    const created = training.status;
    while (["starting", "processing"].includes(training.status)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      training = await replicate.trainings.get(training.id);
    }
    const [destinationOwner, destinationName] = destination.split("/");
    const versions = await replicate.models.versions.list(destinationOwner, destinationName);
    const model = await replicate.models.get(destinationOwner, destinationName);
    return {
      created,
      training,
      versions: versions.results.map((found) => found.id),
      latest: model.latest_version.id,
      trainings: (await replicate.trainings.list()).results.map((found) => found.id),
      weights: await bytesAt(training.output.weights),
      latestOutput: await bytesAt(String(await replicate.run(destination, { input: run }))),
      versionOutput: await bytesAt(String(await replicate.run(training.output.version, { input: run }))),
    };
  },

  async files({ file }) {
    const created = await replicate.files.create(fs.readFileSync(file), { kind: "tune" });
    const found = await replicate.files.get(created.id);
    const listed = (await replicate.files.list()).results.map((each) => each.id);
    const deleted = await replicate.files.delete(created.id);
    const gone = await replicate.files.get(created.id).catch(said);
    return { created, same: JSON.stringify(found) === JSON.stringify(created), listed: listed.includes(created.id), deleted, gone };
  },

  async webhook({ headers, body }) {
    const secret = await replicate.webhooks.default.secret.get();
    return {
      valid: await Replicate.validateWebhook({ headers, body }, secret.key),
      changed: await Replicate.validateWebhook({ headers, body: `${body} ` }, secret.key),
    };
  },

  async stream({ ref, input }) {
    const events = [];
    for await (const { event, data } of replicate.stream(ref, { input })) {
      events.push({ event, data });
    }
    return events;
  },

  async account() {
    return {
      account: await replicate.accounts.current(),
      hardware: await replicate.hardware.list(),
      models: (await replicate.models.list()).results.map((model) => `${model.owner}/${model.name}`),
      found: (await replicate.models.search("nano")).results.map((model) => model.name),
    };
  },
};

const [name, given] = process.argv.slice(2);
scenarios[name](JSON.parse(given || "{}")).then(
  (result) => console.log(JSON.stringify(result)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  }
);
