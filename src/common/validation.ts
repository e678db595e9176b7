import { Param, ParseUUIDPipe, ValidationPipe, type ArgumentMetadata, type PipeTransform, type ValidationError } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { ValidateBy, ValidateIf } from 'class-validator';
import { MalformedRequest, ValidationFailed, type FieldError } from './request-errors.js';

function flatten(errors: ValidationError[], prefix = ''): FieldError[] {
  return errors.flatMap((error) => [
    ...Object.values(error.constraints ?? {}).map((message) => ({ field: `${prefix}${error.property}`, message })),
    ...flatten(error.children ?? [], `${prefix}${error.property}.`),
  ]);
}

/** Far more than any request needs, and far less than the recursions behind us can take. */
export const MAX_DEPTH = 64;

/** Whether lists and objects stand more than `limit` deep in each other; walks level by level, so that depth cannot overflow it. */
export function isNestedDeeperThan(limit: number, value: unknown): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? (Object.values(item) as unknown[]) : []));
  }
  return false;
}

/** The longest list that any field takes, and more fields than any request has. */
const MAX_ITEMS = 1000;
const MAX_FIELDS = 100;

/**
 * Before any other check: of a field each is made, and looks at every item, before the one of the length has its say. Whether 100,000 items
 * are unique takes minutes, in which nobody else is answered; of as many unknown fields each would have its own line in the refusal.
 */
function refuseMultitudes(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  const fields = Object.entries(value);
  if (fields.length > MAX_FIELDS) throw new MalformedRequest(`There are more than ${MAX_FIELDS} fields.`);
  const tooLong = fields.filter(([, item]) => Array.isArray(item) && item.length > MAX_ITEMS);
  if (tooLong.length > 0) throw new ValidationFailed(tooLong.map(([field]) => ({ field, message: `${field} must contain no more than ${MAX_ITEMS} elements` })));
}

class BoundedValidationPipe extends ValidationPipe {
  override transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type !== 'custom') refuseMultitudes(value);
    if (metadata.type !== 'custom' && isNestedDeeperThan(MAX_DEPTH, value)) throw new MalformedRequest(`The body is nested more than ${MAX_DEPTH} deep.`);
    return super.transform(value, metadata);
  }
}

/** Refuses unknown and invalid fields before anything is charged. */
export const validationPipe = new BoundedValidationPipe({
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  transform: true,
  stopAtFirstError: true,
  validationError: { target: false, value: false },
  exceptionFactory: (errors) => new ValidationFailed(flatten(errors)),
});

/** Ids are compared as text in places, and a UUID in capitals is the same one (RFC 9562, §4). */
const inLowerCase: PipeTransform<string, string> = { transform: (id) => id.toLowerCase() };

/** A path parameter that must be a UUID; anything else is a 400, never a database error. */
export function UuidParam(name = 'id'): ParameterDecorator {
  const pipe = new ParseUUIDPipe({ exceptionFactory: () => new ValidationFailed([{ field: name, message: `${name} must be a UUID` }]) });
  return Param(name, pipe, inLowerCase);
}

/** A field that may be left out, but not be null: unlike `@IsOptional`, which would let a null through to a column or a look-up that has none. */
export function Omittable(): PropertyDecorator {
  return ValidateIf((_, value) => value !== undefined);
}

const fromText = (read: (text: string) => unknown): PropertyDecorator => Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? read(value) : value));

/** Queries and forms know only text. What is no text is left to the next check: `Number({ toString: 1 })` would throw. */
export const NumberFromText = (): PropertyDecorator => fromText((text) => (text.trim() === '' ? Number.NaN : Number(text)));
/** ISO 8601 only: `new Date` alone would read `5` and the year -271820 as well, which PostgreSQL cannot hold. */
const ISO_TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
export const DateFromText = (): PropertyDecorator => fromText((text) => new Date(ISO_TIME.test(text) ? text : Number.NaN));
/** A UUID in capitals is the same one. */
export const LowerCaseList = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (Array.isArray(value) ? value.map((item: unknown) => (typeof item === 'string' ? item.toLowerCase() : item)) : value));

/** An absolute URL; whether it may be used is told by trying. */
export function IsAbsoluteUrl(): PropertyDecorator {
  return ValidateBy({
    name: 'isAbsoluteUrl',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && value.length <= 2048 && URL.canParse(value),
      defaultMessage: () => '$property must be an absolute http or https URL of at most 2048 characters',
    },
  });
}

/** Free-form JSON that comes back in every list has to stay small. */
export function MaxJsonBytes(bytes: number): PropertyDecorator {
  return ValidateBy({
    name: 'maxJsonBytes',
    validator: {
      validate: (value: unknown) => Buffer.byteLength(JSON.stringify(value) ?? '') <= bytes,
      defaultMessage: () => `$property must be at most ${bytes} bytes as JSON`,
    },
  });
}
export const FlagFromText = (): PropertyDecorator => fromText((text) => (text === 'true' ? true : text === 'false' ? false : text));

/** Free-form JSON, untouched: the transformer would drop members such as `toString` from its copy. */
export const AsSent = (): PropertyDecorator => Transform(({ obj, key }: { obj: Record<string, unknown>; key: string }) => obj[key]);
