import { applyDecorators, SetMetadata, UseInterceptors } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import { IDEMPOTENT, type IdempotentRoute } from './idempotent-route.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';

export const IDEMPOTENCY_KEY = 'Idempotency-Key';

const problem = (status: number, description: string): MethodDecorator =>
  ApiResponse({ status, description, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDto' } } } });

/**
 * Takes an Idempotency-Key: the same request with the same key is answered once more with the first answer, and has no second effect.
 * What has the effect must call `keepAnswer` in its transaction.
 */
export function Idempotent(route: IdempotentRoute = {}): MethodDecorator {
  const lacking = route.secrets ? `, but without ${route.secrets.map((name) => `\`${name}\``).join(' and ')}, which is kept nowhere` : '';
  return applyDecorators(
    SetMetadata(IDEMPOTENT, route),
    // Here, and not around every route: Nest wraps what is intercepted into some ten objects of rxjs, which all other requests would pay for.
    UseInterceptors(IdempotencyInterceptor),
    ApiHeader({
      name: IDEMPOTENCY_KEY,
      required: false,
      description: `A string of your choice, best a UUID. The same request with the same key within 24 hours has no second effect: it gets the first answer again${lacking}.`,
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    }),
    problem(409, 'Conflicts with what exists, or a request with this Idempotency-Key is still running'),
    problem(422, 'Understood, but cannot be, or the Idempotency-Key was sent with another request'),
  );
}
