import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Queue } from '../../src/jobs/queue.js';
import { eventually } from '../support/factories.js';
import { TestDatabase } from '../support/test-database.js';

describe('a scheduled task', () => {
  let database: TestDatabase;
  const queues: Queue[] = [];
  const runs: number[] = [];

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await TestDatabase.create();
  });
  afterAll(async () => {
    await Promise.all(queues.map((queue) => queue.stop()));
    await database.drop();
  });

  /** As a worker process does when it starts. */
  async function startWorker(cron: string): Promise<void> {
    const queue = new Queue(database.url, { worker: true });
    queues.push(queue);
    await queue.schedule('tick', cron);
    await queue.work('tick', 1, async () => {
      runs.push(queues.indexOf(queue));
      // Long enough for the others to take it as well, if they were let.
      await delay(1500);
    });
  }

  it('runs when the clock says so, in one of the workers, and once for all the times that nobody was there', async () => {
    await startWorker('0 0 1 1 *');
    // Between them the workers look at the clock every half minute. The next one looks for the first time after a day in which none did.
    await eventually(() => database.query('SELECT FROM pgboss.version WHERE cron_on IS NOT NULL'), (looked) => looked.length === 1);
    await database.query(`UPDATE pgboss.schedule SET cron = '0 * * * *', created_on = now() - interval '1 day'`);
    await database.query(`UPDATE pgboss.version SET cron_on = now() - interval '1 day'`);
    await startWorker('0 * * * *');
    await startWorker('0 * * * *');
    await eventually(async () => runs.length, (length) => length > 0);
    await delay(1000);
    expect(runs).toHaveLength(1);
    expect(await database.query('SELECT name, cron, timezone FROM pgboss.schedule')).toEqual([{ name: 'tick', cron: '0 * * * *', timezone: 'UTC' }]);
  });
});
