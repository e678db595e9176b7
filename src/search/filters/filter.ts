import { ValidationFailed } from '../../common/request-errors.js';

/** What can be compared with what is in a document's metadata. */
export type Scalar = string | number | boolean | null;
export const COMPARISONS = ['$gt', '$gte', '$lt', '$lte'] as const;
export type Comparison = (typeof COMPARISONS)[number];

/** `type`, `title` and `created_at` are the document's own; all other names are keys of its metadata. */
export type FilterField = { of: 'document'; name: 'type' | 'title' | 'created_at' } | { of: 'metadata'; name: string };

export type Filter =
  | { kind: 'and' | 'or'; of: Filter[] }
  | { kind: 'not'; of: Filter }
  /** One of the values is there: equal, or an element of a list that is there. */
  | { kind: 'in'; field: FilterField; values: Scalar[] }
  | { kind: 'compare'; field: FilterField; comparison: Comparison; value: string | number }
  | { kind: 'exists'; field: FilterField };

const MAX_DEPTH = 8;
const MAX_CONDITIONS = 100;
/** Objects of the whole filter: an empty one has no condition, but is work all the same. */
const MAX_OBJECTS = 200;
const MAX_VALUES = 200;
const MAX_LENGTH = 1000;
const METADATA = 'metadata.';
const DOCUMENT_FIELDS = ['type', 'title', 'created_at'] as const;
const ISO_TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
const HAS_NO_ZONE = /T[\d:.]+$/;

function refuse(path: string, message: string): never {
  throw new ValidationFailed([{ field: path, message: `${path} ${message}` }]);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads the filter grammar of Pinecone and R2R. Several fields of one object, and several operators of one field, must all hold.
 * @throws ValidationFailed naming the path of what is not in the grammar
 */
export function parseFilter(value: unknown, path = 'filter'): Filter {
  return new FilterParser().filter(value, path, 1);
}

class FilterParser {
  private conditions = 0;
  private objects = 0;

  filter(value: unknown, path: string, depth: number): Filter {
    if (!isObject(value)) refuse(path, 'must be an object, such as {"year": {"$gte": 2024}}');
    if (depth > MAX_DEPTH) refuse(path, `is nested more than ${MAX_DEPTH} deep`);
    this.objects += 1;
    if (this.objects > MAX_OBJECTS) refuse(path, `is one filter too many: ${MAX_OBJECTS} are allowed`);
    return { kind: 'and', of: Object.entries(value).map(([name, operand]) => this.member(name, operand, `${path}.${shown(name)}`, depth)) };
  }

  private member(name: string, operand: unknown, path: string, depth: number): Filter {
    if (name === '$not') return { kind: 'not', of: this.filter(operand, path, depth + 1) };
    if (name !== '$and' && name !== '$or') return this.field(name, operand, path);
    if (!Array.isArray(operand) || operand.length === 0) refuse(path, 'must be a list of filters that is not empty');
    if (operand.length > MAX_CONDITIONS) refuse(path, `has more than ${MAX_CONDITIONS} filters`);
    return { kind: name === '$and' ? 'and' : 'or', of: operand.map((item, at) => this.filter(item, `${path}[${at}]`, depth + 1)) };
  }

  private field(name: string, operand: unknown, path: string): Filter {
    const field = fieldOf(name, path);
    const operators = isObject(operand) ? Object.entries(operand) : ([['$eq', operand]] as const);
    if (operators.length === 0) refuse(path, 'needs a value or an operator');
    return { kind: 'and', of: operators.map(([operator, value]) => this.condition(field, operator, value, isObject(operand) ? `${path}.${shown(operator)}` : path)) };
  }

  private condition(field: FilterField, operator: string, value: unknown, path: string): Filter {
    this.conditions += 1;
    if (this.conditions > MAX_CONDITIONS) refuse(path, `is one condition too many: ${MAX_CONDITIONS} are allowed`);
    switch (operator) {
      case '$eq':
        return { kind: 'in', field, values: [scalar(field, value, path)] };
      case '$ne':
        return { kind: 'not', of: { kind: 'in', field, values: [scalar(field, value, path)] } };
      case '$in':
        return { kind: 'in', field, values: scalars(field, value, path) };
      case '$nin':
        return { kind: 'not', of: { kind: 'in', field, values: scalars(field, value, path) } };
      case '$exists':
        if (typeof value !== 'boolean') refuse(path, 'must be true or false');
        return value ? { kind: 'exists', field } : { kind: 'not', of: { kind: 'exists', field } };
      case '$gt':
      case '$gte':
      case '$lt':
      case '$lte':
        return { kind: 'compare', field, comparison: operator, value: comparable(field, value, path) };
      default:
        return refuse(path, 'is no operator; there are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin and $exists');
    }
  }
}

function fieldOf(name: string, path: string): FilterField {
  if (name.startsWith('$')) refuse(path, 'is no operator here; there are $and, $or and $not. A key of the metadata that begins so is written "metadata.$…"');
  const own = DOCUMENT_FIELDS.find((field) => field === name);
  if (own) return { of: 'document', name: own };
  return { of: 'metadata', name: text(name.startsWith(METADATA) ? name.slice(METADATA.length) : name, path) };
}

function scalars(field: FilterField, value: unknown, path: string): Scalar[] {
  if (!Array.isArray(value) || value.length === 0) refuse(path, 'must be a list of values that is not empty');
  if (value.length > MAX_VALUES) refuse(path, `has more than ${MAX_VALUES} values`);
  return value.map((item, at) => scalar(field, item, `${path}[${at}]`));
}

function scalar(field: FilterField, value: unknown, path: string): Scalar {
  if (field.of === 'document') return ownValue(field.name, value, path);
  if (typeof value === 'string') return text(value, path);
  if (typeof value === 'number') return finite(value, path);
  if (typeof value === 'boolean' || value === null) return value;
  return refuse(path, 'must be a string, a number, true, false or null');
}

function comparable(field: FilterField, value: unknown, path: string): string | number {
  if (field.of === 'document') return ownValue(field.name, value, path);
  if (typeof value === 'string') return text(value, path);
  if (typeof value === 'number') return finite(value, path);
  return refuse(path, 'must be a number or a string');
}

/** JSON may say 1e999, which is read as infinity and would be written as null. */
function finite(value: number, path: string): number {
  return Number.isFinite(value) ? value : refuse(path, 'is too large a number');
}

function ownValue(name: 'type' | 'title' | 'created_at', value: unknown, path: string): string {
  if (typeof value !== 'string') return refuse(path, 'must be a string');
  return name === 'created_at' ? time(value, path) : text(value, path);
}

/** In UTC where no zone is named. PostgreSQL knows no year 0, and writes years of five digits in another way. */
function time(value: string, path: string): string {
  const at = new Date(ISO_TIME.test(value) ? value + (HAS_NO_ZONE.test(value) ? 'Z' : '') : Number.NaN);
  const year = at.getUTCFullYear();
  if (!(year >= 1 && year <= 9999)) return refuse(path, 'must be a time in ISO 8601, such as 2026-01-31T12:00:00Z');
  return at.toISOString();
}

/** What PostgreSQL cannot hold is in no document either, but has to be told from a failure. */
function text(value: string, path: string): string {
  if (value.length > MAX_LENGTH) refuse(path, `is longer than ${MAX_LENGTH} characters`);
  if (!value.isWellFormed() || value.includes('\0')) refuse(path, 'must be well-formed text without NUL');
  return value;
}

/** A name as it may stand in an error. */
function shown(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}
