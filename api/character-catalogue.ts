import { Type } from 'typebox';
import { answerRead } from './answer-read.ts';
import { commonProblems, described, SECURED, TRACE_HEADERS, Uuid } from './api-route.ts';
import type { ApiServer } from './api-route.ts';
import type { CatalogueCharacter, Queries } from './query-ports.ts';
import { HttpProblem } from './problem.ts';
import { storableText } from './storable-text.ts';

const optional = <T extends Parameters<typeof Type.Union>[0][number]>(type: T, description: string) =>
  Type.Union([type, Type.Null()], { description });
const Character = Type.Object({
  id: Uuid,
  name: Type.String(),
  description: Type.Union([Type.String(), Type.Null()]),
  category: optional(Type.String(), 'Whose scan earns it; null for a form that is only reached by evolution'),
  level: Type.Integer({ description: 'Evolutions that lead to it' }),
  evolves_from: optional(Uuid, 'The form before; null for the first one'),
});
const LIMIT_DEFAULT = 20;
const Search = Type.Object(
  {
    q: Type.String({ minLength: 1, maxLength: 64, description: 'What stands in name, description or category, in any case of letters' }),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: LIMIT_DEFAULT })),
  },
  { additionalProperties: false },
);
const Found = Type.Object({ characters: Type.Array(Character, { description: 'First forms first, then by name' }) });
const Path = Type.Object({ id: Uuid }, { additionalProperties: false });
const NoQuery = Type.Object({}, { additionalProperties: false });

export function addCharacterCatalogue(app: ApiServer, queries: Queries): void {
  const common = { tags: ['characters'], security: SECURED, headers: Type.Object(TRACE_HEADERS) };
  const config = { rateClass: 'query' } as const;

  const search = {
    ...common,
    operationId: 'searchCharacters',
    summary: 'Characters of the catalogue by a text',
    querystring: Search,
    response: { 200: described(Found, 'At most as many as asked for'), ...commonProblems() },
  };
  app.get('/characters/search', { schema: search, config }, async (request, reply) => {
    const { q, limit = LIMIT_DEFAULT } = request.query;
    const found = answerRead(request, reply, await queries.searchCharacters(storableText('q', q), limit));
    return { characters: found.map(copied) };
  });

  const one = {
    ...common,
    operationId: 'character',
    summary: 'A character of the catalogue',
    params: Path,
    querystring: NoQuery,
    response: { 200: described(Character, 'The character'), ...commonProblems('resource-not-found') },
  };
  app.get('/characters/:id', { schema: one, config }, async (request, reply) => {
    const found = answerRead(request, reply, await queries.character(request.params.id.toLowerCase()));
    if (found === undefined) throw new HttpProblem('resource-not-found', { detail: 'The catalogue has no character with this id.' });
    return copied(found);
  });
}

function copied(character: CatalogueCharacter) {
  return { ...character };
}
