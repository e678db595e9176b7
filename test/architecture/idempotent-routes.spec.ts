import { readFileSync } from 'node:fs';

interface Operation {
  parameters?: { name: string; in: string; required?: boolean }[];
  responses: Record<string, object>;
}

/** Every POST that takes no Idempotency-Key, with the reason why not. A route that creates something belongs in no list: mark it with @Idempotent(). */
const WITHOUT: Record<string, string> = {
  '/admin/reconcile': 'compares and sets right what there is; a second time finds nothing left to do',
  '/api/v1/api-keys/verify': 'answers a question; the call it counts is one that was made',
  '/api/v1/database-servers/test': 'asks a server who it is',
  '/api/v1/database-servers/{id}/test': 'the same of one that is saved; the newest outcome is the one that counts',
  '/api/v1/documents/{id}/deprecate': 'a step between two states, which cannot be made twice',
  '/api/v1/documents/{id}/restore': 'the same the other way round',
  '/api/v1/jobs/{id}/cancel': 'ends a job, which ends once',
  '/api/v1/remote/lease': 'every call asks for work that nobody has; what is not renewed goes to another',
  '/api/v1/remote/jobs/{id}/heartbeat': 'says that a lease is still wanted',
  '/api/v1/remote/jobs/{id}/complete': 'fenced by the number of the attempt, so it is done once',
  '/api/v1/remote/jobs/{id}/fail': 'fenced in the same way',
  '/api/v1/search': 'answers a question',
  '/api/v1/webhooks/{id}/test': 'asks an endpoint whether it listens',
  '/api/v1/webhooks/{id}/deliveries/{delivery_id}/replay': 'sends under the webhook-id that the endpoint knows already',
  '/auth/register': 'there is no tenant yet in whose name a key could be kept, and an e-mail address is registered once anyhow',
  '/auth/login': 'its answer is a secret, which is kept nowhere',
  '/auth/refresh': 'its answer is a secret, and a token that is used twice is a theft',
  '/auth/logout': 'a session ends once',
  '/auth/change-password': 'sets what is named; the old password is no longer right the second time',
  '/process/chunks': 'answers a question, and stores nothing',
  '/process/file': 'converts, and stores nothing',
  '/process/url': 'converts, and stores nothing',
};

const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as { paths: Record<string, Record<string, Operation>> };
const posts = Object.entries(paths).flatMap(([path, { post }]) => (post ? [[path, post] as const] : []));
const takesKey = ({ parameters }: Operation): boolean => parameters?.some((parameter) => parameter.in === 'header' && parameter.name === 'Idempotency-Key') ?? false;

describe('a POST', () => {
  it('takes an Idempotency-Key, or is listed with the reason why not', () => {
    expect(posts.filter(([, operation]) => !takesKey(operation)).map(([path]) => path).toSorted()).toEqual(Object.keys(WITHOUT).toSorted());
  });

  it.each(posts.filter(([, operation]) => takesKey(operation)))('to %s says that the key may be left out, and how it is refused', (_, { parameters, responses }) => {
    expect(parameters?.find(({ name }) => name === 'Idempotency-Key')).toMatchObject({ required: false });
    for (const status of ['400', '409', '422']) expect(responses).toHaveProperty(status);
    expect(responses['409']).toMatchObject({ description: expect.stringContaining('Idempotency-Key') });
    expect(responses['422']).toMatchObject({ description: expect.stringContaining('Idempotency-Key') });
  });
});
