// The server as built, with whatever ROLE it is given, and what main.ts does for it.
import { serve } from './child.mjs';

const from = (file) => import(`../../dist/src/${file}`);
const [{ createApp }, { createRootLogger }, { giveWayToRequests }, { Config }] = await Promise.all(
  ['app.js', 'common/logging.js', 'common/process-priority.js', 'config/config.js'].map(from),
);

const config = Config.fromEnvironment();
if (config.env.ROLE === 'worker') giveWayToRequests();
const app = await createApp(config, config.env.DATABASE_URL, createRootLogger(config.env.LOG_LEVEL));
await app.listen(0, '127.0.0.1');
serve(await app.getUrl(), () => app.close());
