// Writes src/openapi.ts: the types of the service's OpenAPI description.
import { writeFileSync } from 'node:fs';
import { freshTypes } from './fresh-types.mjs';

writeFileSync(new URL('../src/openapi.ts', import.meta.url), await freshTypes());
