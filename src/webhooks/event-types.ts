/** What a webhook can be told of. Each is an event of the outbox, published by a trigger. */
export const WEBHOOK_EVENT_TYPES = [
  'document.ingested', 'document.failed', 'document.deleted',
  'job.started', 'job.finished', 'job.failed', 'job.cancelled',
  'quota.warning', 'quota.exceeded', 'quota.recovered',
  'api_key.created', 'api_key.revoked', 'api_key.rotated',
] as const;
export type WebhookEventType = (typeof WEBHOOK_EVENT_TYPES)[number];

/** `*` is everything, also what may be added later; `document.*` everything of documents. The function `is_event_wanted` of the schema reads them alike. */
export const WEBHOOK_EVENT_FILTERS = ['*', 'document.*', 'job.*', 'quota.*', 'api_key.*', ...WEBHOOK_EVENT_TYPES] as const;
export type WebhookEventFilter = (typeof WEBHOOK_EVENT_FILTERS)[number];

/** The filters that an event passes. */
export const filtersOf = (type: string): string[] => ['*', `${type.split('.')[0]}.*`, type];

/** Of the event that the test button sends; nobody can filter it. */
export const TEST_EVENT_TYPE = 'webhook.test';
