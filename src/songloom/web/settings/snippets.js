// Ready code for one request, in the languages that people ask for.

/**
 * @typedef {object} Shown
 * @property {string} base  URL of the server, without a slash at its end
 * @property {boolean} tokens  whether the server wants one
 * @property {string} model  "owner/name"
 * @property {object} input
 */

/**
 * A program that makes the request.
 * @param {"python"|"javascript"|"curl"} language
 * @param {Shown} shown
 * @returns {string}
 */
export function snippet(language, shown) {
  return { python, javascript, curl }[language](shown);
}

function python({ base, tokens, model, input }) {
  const token = tokens ? 'os.environ["REPLICATE_API_TOKEN"]' : '"any"';
  return `${tokens ? "import os\n\n" : ""}import replicate

client = replicate.Client(
    base_url=${JSON.stringify(base)},
    api_token=${token},
)
output = client.run(
    ${JSON.stringify(model)},
    input=${asPython(input, 4)},
)
print(output)
`;
}

function javascript({ base, tokens, model, input }) {
  const token = tokens ? "process.env.REPLICATE_API_TOKEN" : '"any"';
  return `import Replicate from "replicate";

const replicate = new Replicate({
  baseUrl: ${JSON.stringify(`${base}/v1`)},
  auth: ${token},
});
const output = await replicate.run(${JSON.stringify(model)}, {
  input: ${asJavaScript(input, 2)},
});
console.log(String(output));
`;
}

function curl({ base, tokens, model, input }) {
  const body = JSON.stringify({ version: model, input }, null, 2).replaceAll("'", "'\\''");
  const token = tokens ? '  -H "Authorization: Bearer $REPLICATE_API_TOKEN" \\\n' : "";
  return `curl ${base}/v1/predictions \\
${token}  -H 'Content-Type: application/json' -H 'Prefer: wait' \\
  -d '${body}'
`;
}

function asPython(input, indent) {
  const words = { true: "True", false: "False", null: "None" };
  return block(input, indent, 4, ([name, value]) => {
    const text = JSON.stringify(value);
    return `${JSON.stringify(name)}: ${words[text] ?? text}`;
  });
}

function asJavaScript(input, indent) {
  return block(input, indent, 2, ([name, value]) => `${name}: ${JSON.stringify(value)}`);
}

function block(input, indent, step, line) {
  const lines = Object.entries(input).map((entry) => `${" ".repeat(indent + step)}${line(entry)},\n`);
  return lines.length ? `{\n${lines.join("")}${" ".repeat(indent)}}` : "{}";
}
