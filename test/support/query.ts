export type Query = Record<string, string | number | boolean | undefined>;

/** `a=1&b=x`; what is undefined is left out. */
export function queryText(query: Query): string {
  const named = Object.entries(query).filter(([, value]) => value !== undefined);
  return new URLSearchParams(named.map(([name, value]): [string, string] => [name, String(value)])).toString();
}
