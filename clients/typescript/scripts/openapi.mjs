import openapiTS, { astToString } from 'openapi-typescript';

const HEAD = `/**
 * The types of the service's OpenAPI description. Made by \`npm run types\`: don't edit it.
 * @module
 */
`;

/** Returns the TypeScript for an OpenAPI description. */
export async function typesOf(description) {
  return `${HEAD}${astToString(await openapiTS(description, { defaultNonNullable: false }))}`;
}
