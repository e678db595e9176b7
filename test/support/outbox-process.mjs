// The built server as a process of its own, with one subscriber more: it writes a row in the transaction of the event, waits for whoever holds the
// lock, and so can be killed in the middle.
import 'reflect-metadata';
import { createApp } from '../../dist/src/app.js';
import { createRootLogger } from '../../dist/src/common/logging.js';
import { Config } from '../../dist/src/config/config.js';
import { Outbox } from '../../dist/src/events/outbox.js';

const config = Config.fromEnvironment();
const logger = createRootLogger(config.env.LOG_LEVEL);
const app = await createApp(config, config.env.DATABASE_URL, logger);
app.get(Outbox, { strict: false }).subscribe({
  name: 'effects',
  types: ['test.happened'],
  async handle(tx, event) {
    await tx.manager.query('INSERT INTO effects (event_id, subscriber) VALUES ($1, $2)', [event.id, 'effects']);
    await tx.manager.query('SELECT pg_advisory_xact_lock_shared(4711)');
  },
});
await app.listen(config.env.PORT, config.env.HOST);
logger.info({ address: await app.getUrl() }, 'ready');
logger.flush();
