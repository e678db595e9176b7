import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type Logger as PinoLogger, type LoggerOptions } from 'pino';
import { errorCode, errorMessage } from './error-code.js';
import { toStandardOutput } from './log-destination.js';
import { currentLogFields } from './request-context.js';

/** Never logged, wherever they appear. */
const REDACTED = ['*.password', '*.secret_key', '*.access_token', '*.refresh_token', '*.current_password', '*.new_password', '*.api_key', '*.apiKey'];

interface LoggedError {
  type: string;
  message: string;
  code: string;
  constraint?: string;
  stack?: string;
  cause?: LoggedError;
}

/** PostgreSQL's data exceptions: the only messages of its in which values stand, such as `invalid input syntax for type integer: "a text"`. */
const ABOUT_A_VALUE = /^22[0-9A-Z]{3}$/;

function messageOf(error: unknown): string {
  const message = errorMessage(error);
  return ABOUT_A_VALUE.test(errorCode(error)) ? message.replace(/".*"/s, '"…"') : message;
}

/** Errors of the database carry the rows they were about, which are nobody's business in a log; so only named members are kept. */
function serializeError(error: unknown): LoggedError {
  const { name, stack: told, constraint, cause } = Object(error) as { name?: string; stack?: string; constraint?: string; cause?: unknown };
  const message = messageOf(error);
  // It begins with the message.
  const stack = told?.replaceAll(errorMessage(error), () => message);
  return {
    type: name ?? typeof error,
    message,
    code: errorCode(error),
    ...(constraint === undefined ? {} : { constraint }),
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined ? {} : { cause: serializeError(cause) }),
  };
}

/** Nest's own chatter while it starts. */
const QUIET_CONTEXTS = new Set(['NestFactory', 'InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestApplication']);

/** One JSON object a line. */
export function createRootLogger(level: string, destination: DestinationStream = toStandardOutput()): PinoLogger {
  const options: LoggerOptions = { level, redact: REDACTED, serializers: { err: serializeError }, base: null, mixin: currentLogFields, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } };
  return pino(options, destination);
}

/** The same log for lines of plain values, one for each request: looking into every value for what must be redacted costs as much as writing the line. */
export function withoutRedaction(logger: PinoLogger): PinoLogger {
  return logger.child({}, { redact: [] });
}

/** Nest's logger on top of pino; `logger.warn({ err, job_id }, 'text')` keeps its fields. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: PinoLogger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.write(QUIET_CONTEXTS.has(String(rest.at(-1))) ? 'debug' : 'info', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** Nest appends the context as the last argument. */
  private write(level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', message: unknown, rest: unknown[]): void {
    const texts = rest.filter((part) => typeof part === 'string');
    const context = texts.at(-1);
    // `error(message, stack, context)` is how Nest reports what it caught itself.
    const stack = texts.length > 1 ? texts[0] : undefined;
    if (message instanceof Error) this.logger[level]({ context, err: message }, messageOf(message));
    // Left to itself, pino takes the error's own words where there is no text.
    else if (typeof message === 'object' && message !== null) this.logger[level]({ context, ...message }, stack ?? ('err' in message ? messageOf(message.err) : undefined));
    else this.logger[level]({ context, ...(stack === undefined ? {} : { stack }) }, String(message));
  }
}
