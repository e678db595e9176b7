import { Param, ParseUUIDPipe, ValidationPipe, type ValidationError } from '@nestjs/common';
import { ValidateIf } from 'class-validator';
import { ValidationFailed, type FieldError } from './request-errors.js';

function flatten(errors: ValidationError[], prefix = ''): FieldError[] {
  return errors.flatMap((error) => [
    ...Object.values(error.constraints ?? {}).map((message) => ({ field: `${prefix}${error.property}`, message })),
    ...flatten(error.children ?? [], `${prefix}${error.property}.`),
  ]);
}

/** Refuses unknown and invalid fields before anything is charged. */
export const validationPipe = new ValidationPipe({
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  transform: true,
  stopAtFirstError: true,
  validationError: { target: false, value: false },
  exceptionFactory: (errors) => new ValidationFailed(flatten(errors)),
});

/** A path parameter that must be a UUID; anything else is a 400, never a database error. */
export function UuidParam(name = 'id'): ParameterDecorator {
  const pipe = new ParseUUIDPipe({ exceptionFactory: () => new ValidationFailed([{ field: name, message: `${name} must be a UUID` }]) });
  return Param(name, pipe);
}


/** A field that may be left out, but not be null: unlike `@IsOptional`, which would let a null through to a column or a look-up that has none. */
export function Omittable(): PropertyDecorator {
  return ValidateIf((_, value) => value !== undefined);
}
