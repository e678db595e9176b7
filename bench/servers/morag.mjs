// The whole server, as built, with one more controller: the static handler, behind all that wraps a request.
import { DataSource } from 'typeorm';
import { answer, serve } from './child.mjs';
import { pingController } from './ping.mjs';
import { recorderOf } from './recorder.mjs';

const from = (file) => import(`../../dist/src/${file}`);
const [{ createApp }, { createRootLogger }, { Config }, { RequirePermission }, { HealthModule }] = await Promise.all(
  ['app.js', 'common/logging.js', 'config/config.js', 'common/principal.js', 'health/health.module.js'].map(from),
);

// Any module would do: the guards are the application's.
const controllers = Reflect.getMetadata('controllers', HealthModule);
Reflect.defineMetadata('controllers', [...controllers, pingController(RequirePermission('read'))], HealthModule);

const config = Config.fromEnvironment();
const app = await createApp(config, config.env.DATABASE_URL, createRootLogger(config.env.LOG_LEVEL));
await app.listen(0, '127.0.0.1');
answer(recorderOf(app.get(DataSource, { strict: false })));
serve(await app.getUrl(), () => app.close());
