// Writes src/openapi.ts: the types of the service's OpenAPI description, which the service makes
// from its own code. Give the description's file, or "-" for stdin.
import { readFileSync, writeFileSync } from 'node:fs';
import { typesOf } from './openapi.mjs';

const source = process.argv[2];
if (!source) throw new Error('Give the file of the OpenAPI description, or - for stdin.');
const description = readFileSync(source === '-' ? 0 : source, 'utf8');
writeFileSync(
  new URL('../src/openapi.ts', import.meta.url),
  await typesOf(JSON.parse(description)),
);
