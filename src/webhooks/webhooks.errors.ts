import { AppError } from '../common/errors.js';

export class WebhookNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such webhook.' });
  }
}

export class WebhookDeliveryNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such delivery.' });
  }
}

export class TooManyWebhooks extends AppError {
  constructor(limit: number) {
    super({ status: 409, code: 'too_many_webhooks', title: 'Too many webhooks', detail: `A tenant may have ${limit} webhooks. Delete one that is not needed.`, members: { limit } });
  }
}

/** They tell of everything that the tenant has. */
export class BoundKeyCannotManageWebhooks extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'insufficient_scope',
      title: 'Bound to databases',
      detail: 'This key is bound to certain databases, and webhooks tell of everything. Use a key that is bound to none.',
    });
  }
}

/** What would be sent now would wait until it is switched on. */
export class WebhookSwitchedOff extends AppError {
  constructor() {
    super({ status: 409, code: 'webhook_inactive', title: 'Webhook switched off', detail: 'This webhook is switched off. Set is_active to true first.' });
  }
}

export class WebhooksSwitchedOff extends AppError {
  constructor() {
    super({ status: 409, code: 'webhooks_disabled', title: 'Webhooks switched off', detail: 'The configuration of the tenant says that nothing is sent. Set enable_webhooks to true first.' });
  }
}

/** Sealed with a key that is not configured any more. */
export class WebhookSecretUnreadable extends AppError {
  constructor(options: ErrorOptions) {
    super(
      {
        status: 409,
        code: 'secret_unreadable',
        title: 'Stored secret unreadable',
        detail: 'The secret was sealed with another key than this installation has. Rotate it with grace_seconds 0, or have the operator set SEALING_KEY_PREVIOUS.',
      },
      options,
    );
  }
}
