import type { Comparison, Filter, FilterField, Scalar } from './filter.js';

const OPERATORS: Readonly<Record<Comparison, string>> = { $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' };

/** A condition over `documents d`, and the values of its parameters. */
export interface SqlCondition {
  sql: string;
  values: unknown[];
}

/**
 * The filter as SQL that is true or false for every document, never NULL, so that a negation means what it says. Names and values are parameters.
 * @param firstParameter the number of its first `$n`
 */
export function filterToSql(filter: Filter, firstParameter: number): SqlCondition {
  const values: unknown[] = [];
  const parameter = (value: unknown): string => `$${firstParameter + values.push(value) - 1}`;
  const sql = write(filter, parameter);
  return { sql, values };
}

type Parameter = (value: unknown) => string;

function write(filter: Filter, parameter: Parameter): string {
  switch (filter.kind) {
    case 'and':
    case 'or':
      if (filter.of.length === 0) return filter.kind === 'and' ? 'true' : 'false';
      return `(${filter.of.map((part) => write(part, parameter)).join(filter.kind === 'and' ? ' AND ' : ' OR ')})`;
    case 'not':
      return `(NOT ${write(filter.of, parameter)})`;
    case 'exists':
      return filter.field.of === 'document' ? 'true' : `(d.metadata ? ${parameter(filter.field.name)})`;
    case 'in':
      return isIn(filter.field, filter.values, parameter);
    case 'compare':
      return compares(filter.field, filter.comparison, filter.value, parameter);
  }
}

/** Missing is as good as null. A list contains what its elements are; jsonb compares numbers by value. */
function isIn(field: FilterField, values: Scalar[], parameter: Parameter): string {
  if (field.of === 'document') return `(${column(field.name)} = ANY (${parameter(values)}::${field.name === 'created_at' ? 'timestamptz' : 'text'}[]))`;
  const wanted = parameter(JSON.stringify(values));
  return `EXISTS (SELECT FROM jsonb_array_elements(${wanted}::jsonb) AS wanted (value) WHERE ${elements(field.name, parameter)} @> jsonb_build_array(wanted.value))`;
}

/** Only what is of the same kind compares; text by its code points. */
function compares(field: FilterField, comparison: Comparison, value: string | number, parameter: Parameter): string {
  const operator = OPERATORS[comparison];
  if (field.of === 'document') {
    return field.name === 'created_at' ? `(d.created_at ${operator} ${parameter(value)}::timestamptz)` : `(${column(field.name)} COLLATE "C" ${operator} ${parameter(value)}::text COLLATE "C")`;
  }
  // A CASE, because the parts of an AND may be evaluated in any order, and not every element is a number.
  const [kind, compared] =
    typeof value === 'number'
      ? ['number', `(element #>> '{}')::numeric ${operator} ${parameter(value)}::numeric`]
      : ['string', `(element #>> '{}') COLLATE "C" ${operator} ${parameter(value)}::text COLLATE "C"`];
  return `EXISTS (SELECT FROM jsonb_array_elements(${elements(field.name, parameter)}) AS held (element) WHERE CASE WHEN jsonb_typeof(element) = '${kind}' THEN ${compared} ELSE false END)`;
}

function column(name: 'type' | 'title' | 'created_at'): string {
  return `d.${name}`;
}

/** The value as a list: itself, or what stands alone in one; `[null]` when there is none. */
function elements(key: string, parameter: Parameter): string {
  const value = `(d.metadata -> ${parameter(key)})`;
  return `(CASE WHEN jsonb_typeof(${value}) = 'array' THEN ${value} ELSE jsonb_build_array(${value}) END)`;
}
