// Is a document valid OpenAPI 3.1, and does it hold together? Names each fault; exit code 1 when there is one.
//   node validate.mjs FILE|URL
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

export async function load(from) {
  if (!/^https?:/.test(from)) return JSON.parse(await readFile(from, "utf8"));
  const response = await fetch(from);
  if (response.status !== 200) throw new Error(`${from}: status ${response.status}`);
  return response.json();
}

export function* operations(document) {
  for (const [path, item] of Object.entries(document.paths))
    for (const method of METHODS) if (item[method]) yield { path, method, operation: item[method] };
}

export function resolve(document, node) {
  while (node && node.$ref) {
    if (!node.$ref.startsWith("#/")) throw new Error(`${node.$ref} leads out of the document`);
    const keys = node.$ref.slice(2).split("/").map((key) => key.replace(/~1/g, "/").replace(/~0/g, "~"));
    const target = keys.reduce((at, key) => at?.[key], document);
    if (target === undefined) throw new Error(`${node.$ref} leads nowhere`);
    node = target;
  }
  return node;
}

// Everything that is a JSON Schema itself, against the meta-schema of 2020-12.
function schemaFaults(document) {
  const ajv = new Ajv2020({ strict: false });
  const faults = [];
  const check = (name, schema) => {
    if (!ajv.validateSchema(schema)) faults.push(`${name}: ${ajv.errorsText()}`);
  };
  const visit = (name, node) => {
    if (node === null || typeof node !== "object") return;
    for (const [key, value] of Object.entries(node))
      if (key === "schema") check(name, value);
      else if (key === "schemas") for (const [title, schema] of Object.entries(value)) check(title, schema);
      else visit(`${name}/${key}`, value);
  };
  visit("", document);
  return faults;
}

// What the validator does not look at: references, unique ids, parameters against paths.
function ownFaults(document) {
  const faults = schemaFaults(document);
  const ids = new Map();
  const visit = (node) => {
    if (node === null || typeof node !== "object") return;
    if (typeof node.$ref === "string") {
      try {
        resolve(document, node);
      } catch (error) {
        faults.push(error.message);
      }
    }
    Object.values(node).forEach(visit);
  };
  visit(document);
  for (const { path, method, operation } of operations(document)) {
    const name = `${method.toUpperCase()} ${path}`;
    if (!operation.operationId) faults.push(`${name}: no operationId`);
    if (ids.has(operation.operationId)) faults.push(`${name}: operationId of ${ids.get(operation.operationId)} again`);
    ids.set(operation.operationId, name);
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]).sort();
    const declared = (operation.parameters ?? []).map((parameter) => resolve(document, parameter));
    const paths = declared.filter((parameter) => parameter.in === "path").map((parameter) => parameter.name).sort();
    if (inPath.join() !== paths.join()) faults.push(`${name}: the path has {${inPath}}, the parameters {${paths}}`);
    const keys = declared.map((parameter) => `${parameter.in} ${parameter.name}`);
    if (new Set(keys).size !== keys.length) faults.push(`${name}: a parameter is there twice`);
  }
  return faults;
}

export async function faultsOf(document) {
  if (!/^3\.1\./.test(document.openapi ?? "")) return [`openapi is ${document.openapi}, not 3.1`];
  const result = await new Validator().validate(structuredClone(document));
  const faults = result.valid ? [] : [result.errors].flat().map((error) => JSON.stringify(error));
  return faults.concat(ownFaults(document));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.length !== 3) {
    console.error("usage: node validate.mjs FILE|URL");
    process.exit(64);
  }
  const document = await load(process.argv[2]);
  const faults = await faultsOf(document);
  faults.forEach((fault) => console.error(fault));
  const count = [...operations(document)].length;
  console.log(`${count} operations, ${faults.length} faults`);
  process.exit(faults.length > 0 || count === 0 ? 1 : 0);
}
