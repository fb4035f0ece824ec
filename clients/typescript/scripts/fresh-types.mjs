import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const HEAD = `/**
 * The types of the service's OpenAPI description. \`npm run types\` made this file: don't edit it.
 *
 * @packageDocumentation
 */
`;
const PRINT = `
import json
from service.api.openapi import document
from service.api.routes import ROUTES
print(json.dumps(document(ROUTES, "")))
`;

/** Returns the types that follow from the service's code as it is now. */
export async function freshTypes() {
  const python = process.env.PYTHON ?? `${ROOT}/.venv/bin/python`;
  const description = execFileSync(python, ['-c', PRINT], {
    cwd: ROOT,
    env: { ...process.env, PYTHONPATH: ROOT },
    maxBuffer: 16 * 1024 * 1024,
  });
  // A field with a default may be left out.
  const options = { defaultNonNullable: false };
  const types = await openapiTS(JSON.parse(description), options);
  return `${HEAD}${astToString(types)}`;
}
