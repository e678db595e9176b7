import { PassThrough } from 'node:stream';
import { createRootLogger, NestLogger } from './logging.js';

describe('the log', () => {
  let out: PassThrough;
  let logger: NestLogger;

  beforeEach(() => {
    out = new PassThrough();
    logger = new NestLogger(createRootLogger('trace', out));
  });

  const lines = (): Record<string, unknown>[] =>
    String(out.read() ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('tells what failed in the database, and nothing of the rows it was about', () => {
    const cause = Object.assign(new Error('duplicate key'), { code: '23505', constraint: 'users_email', detail: 'Key (email)=(ada@example.com) exists' });
    const error = Object.assign(new Error('query failed', { cause }), { parameters: ['the text of a document'], driverError: cause });
    logger.error({ err: error, request_id: '1' }, 'unexpected error');
    const [line] = lines();
    expect(line).toMatchObject({ level: 'error', request_id: '1', err: { message: 'query failed', cause: { code: '23505', constraint: 'users_email' } } });
    expect(JSON.stringify(line)).not.toMatch(/document|ada@example/);
  });

  it('leaves out the value that the database could not read, in the message and in the stack', () => {
    const error = Object.assign(new Error('invalid input syntax for type integer: "a "quoted"\nsecret"'), { code: '22P02' });
    logger.error({ err: error }, 'unexpected error');
    logger.error({ err: Object.assign(new Error('relation "jobs" does not exist'), { code: '42P01' }) }, 'unexpected error');
    const [value, relation] = lines();
    expect(JSON.stringify(value)).not.toContain('secret');
    expect(value).toMatchObject({ err: { code: '22P02', message: 'invalid input syntax for type integer: "…"', stack: expect.stringContaining('logging.spec') } });
    expect(relation).toMatchObject({ err: { message: 'relation "jobs" does not exist' } });
  });

  it('keeps the message and the stack of what Nest caught', () => {
    logger.error('it broke', 'Error: it broke\n    at somewhere', 'SomeService');
    logger.error(new Error('thrown'), 'SomeService');
    expect(lines()).toMatchObject([
      { msg: 'it broke', stack: 'Error: it broke\n    at somewhere', context: 'SomeService' },
      { err: { message: 'thrown' }, context: 'SomeService' },
    ]);
  });

  it('stays one line whatever stands in a message', () => {
    logger.warn('a\r\n{"level":"fatal"}');
    expect(lines()).toHaveLength(1);
  });
});
