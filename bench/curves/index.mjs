// Every curve. One is `{ name, title, x, run(world) }`; `run` answers lines: `{ name, unit, rises, points: [{ at, cost, ratio }] }`.
import { collectionsCurve } from './collections.mjs';
import { documentsCurves } from './documents.mjs';
import { keysCurve } from './keys.mjs';
import { tenantsCurve } from './tenants.mjs';

export const CURVES = [keysCurve, tenantsCurve, ...documentsCurves, collectionsCurve];
