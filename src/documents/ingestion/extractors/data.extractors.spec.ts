import { chunk } from '../chunking/chunker.js';
import { extract as csv } from './csv.extractor.js';
import { extract as json } from './json.extractor.js';
import { extract as jsonl } from './jsonl.extractor.js';

const csvText = async (content: string | Buffer): Promise<string> => (await csv(Buffer.from(content))).text;
const jsonText = (content: string): string => json(Buffer.from(content)).text;
const failure = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe('a table of text', () => {
  it.each([
    ['commas', 'Name,City\nAnn,"Graz, AT"\nBob,\n', 'Name | City\n\nName: Ann\nCity: Graz, AT\n\nName: Bob'],
    ['semicolons around decimal commas', 'Name;Price\nNut;1,5\nBolt;2,5\n', 'Name | Price\n\nName: Nut\nPrice: 1,5\n\nName: Bolt\nPrice: 2,5'],
    ['tabs', 'Name\tCity\nAnn\tGraz, AT\n', 'Name | City\n\nName: Ann\nCity: Graz, AT'],
    ['bars', 'Name|City\nAnn|Graz\n', 'Name | City\n\nName: Ann\nCity: Graz'],
    ['what Excel says on the first line', 'sep=;\r\na;b\r\n1;2,3,4\r\n', 'a | b\n\na: 1\nb: 2,3,4'],
    ['quotes, doubled ones and line breaks within', 'Q,A\n"He said ""no"".","two\nlines"\n', 'Q | A\n\nQ: He said "no".\nA: two\nlines'],
    ['stray quotes', 'Size,Part\n5" wide,pipe\n', 'Size | Part\n\nSize: 5" wide\nPart: pipe'],
    ['rows of any length', 'a,b,c\n1\n1,2,3,4\n1,2\n', 'a | b | c\n\na: 1\n\na: 1\nb: 2\nc: 3\n4\n\na: 1\nb: 2'],
    ['years for columns', 'Country,2025,2026\nAT,1,2\n', 'Country | 2025 | 2026\n\nCountry: AT\n2025: 1\n2026: 2'],
    ['numbers alone, which are no header', '1,2\n3,4\n', '1 | 2\n\n3 | 4'],
    ['a remark above its header', 'Report of May,\nName,City\nAnn,Graz\n', 'Report of May\n\nName | City\n\nName: Ann\nCity: Graz'],
    ['one column', 'Ann\nBob\n', 'Ann\n\nBob'],
  ])('with %s', async (_name, content, text) => {
    expect(await csvText(content)).toBe(text);
  });

  it.each([
    ['UTF-8 with a mark', Buffer.from('\ufeffNäme,x\nJörg,y\n')],
    ['UTF-16', Buffer.from('\ufeffNäme,x\nJörg,y\n', 'utf16le')],
    ['windows-1252', Buffer.from('Näme,x\nJörg,y\n', 'latin1')],
  ])('in %s', async (_name, bytes) => {
    expect(await csvText(bytes)).toBe('Näme | x\n\nNäme: Jörg\nx: y');
  });

  it('tells its header in every chunk', async () => {
    const document = await csv(Buffer.from(`Name,City\n${Array.from({ length: 200 }, (_, index) => `Person ${index},Graz\n`).join('')}`));
    for (const { text } of chunk(document, { chunkSize: 200, chunkOverlap: 20, chunkingStrategy: 'recursive', maxTokens: 8191 })) expect(text).toMatch(/Name: Person \d+\nCity: Graz/);
  });

  it('fails with the line when a quote is never closed', async () => {
    const message = expect.stringContaining('after line 3 on: a quote is never closed');
    await expect(csvText('a,b\n1,"2\n2"\n\n"3,4\n5,6\n')).rejects.toMatchObject({ code: 'corrupt_file', message });
    await expect(csvText('sep=,\na,b\n1,2\n"3,4\n5,6\n')).rejects.toMatchObject({ code: 'corrupt_file', message });
  });

  it.each([
    ['nothing but delimiters', Buffer.from(',,\n,,\n'), 'no_text'],
    ['bytes', Buffer.from([97, 44, 0, 1, 2, 10]), 'type_mismatch'],
  ])('of %s fails with its code', async (_name, bytes, code) => {
    await expect(csvText(bytes)).rejects.toMatchObject({ code });
  });
});

describe('JSON', () => {
  it.each([
    ['objects, in the order of the file', '{"b":1,"a":{"10":true,"2":null}}', 'b: 1\na.10: true\na.2: null'],
    ['numbers as they are written', '[12345678901234567890, 1.50, 1e400]', '12345678901234567890, 1.50, 1e400'],
    ['records of a list, a paragraph each', '[{"name":"Ann","tags":["x","y"]},{"name":"Bob"}]', 'name: Ann\ntags: x, y\n\nname: Bob'],
    ['lists within records', '{"orders":[{"city":"Graz","items":[{"n":1}]},{"city":"Wien"}]}', 'orders[0].city: Graz\n\norders[0].items[0].n: 1\n\norders[1].city: Wien'],
    ['mixed lists', '{"a":[1,{"b":2},3,[4,5]]}', 'a: 1\n\na[1].b: 2\n\na: 3\na[3]: 4, 5'],
    ['empty members', '{"a":{},"b":[],"c":""}', 'a: {}\nb: []\nc:'],
    ['escapes, and what text cannot hold', '{"k":"\\u00e4\\n\\"q\\"\\u0000\\ud800"}', 'k: ä\n"q"\ufffd'],
    ['keys of objects themselves', '{"__proto__":1,"constructor":{"toString":2}}', '__proto__: 1\nconstructor.toString: 2'],
    ['one scalar', ' "text" ', 'text'],
    ['a byte order mark', '\ufeff{"a":1}', 'a: 1'],
  ])('reads %s', (_name, content, text) => {
    expect(jsonText(content)).toBe(text);
  });

  it('puts long words of a list on lines of their own', () => {
    const word = 'w'.repeat(150);
    expect(jsonText(JSON.stringify({ a: [word, word] }))).toBe(`a: ${word}\na: ${word}`);
  });

  it.each([
    ['{"a":1,\n"b":2,\n}', 3],
    ['{"a":\n[1 2]}', 2],
    ['{\n"a" 1}', 2],
    ["{'a':1}", 1],
    ['[1,\n2,]', 2],
    ['{"a":1}\n\n{"b":2}', 3],
    ['{"a":[1,2}\n]', 1],
    ['[01]', 1],
    ['[1,\n"never closed', 2],
    ['{"a":\n\n', 3],
    ['[NaN]', 1],
    ['["a\tb"]', 1],
    ['["\\x"]', 1],
    ['[}', 1],
    ['{"a":1]', 1],
  ])('%j is damaged, and the line is said', (content, line) => {
    expect(failure(() => jsonText(content))).toMatchObject({ code: 'corrupt_file', message: expect.stringContaining(`line ${line}:`) });
  });

  it('agrees with JSON.parse on what is JSON', () => {
    const pieces = ['{', '}', '[', ']', ',', ':', '"a"', '1', 'true', ' '];
    let random = 1;
    const next = (below: number) => (random = (random * 48_271) % 2_147_483_647) % below;
    const disagreed: string[] = [];
    let valid = 0;
    for (let round = 0; round < 10_000; round += 1) {
      const content = `[${Array.from({ length: 1 + next(6) }, () => pieces[next(pieces.length)]).join('')}]`;
      const isJson = !(failure(() => JSON.parse(content) as unknown) instanceof SyntaxError);
      const code = (failure(() => jsonText(content)) as { code?: string }).code;
      if (isJson !== (code !== 'corrupt_file')) disagreed.push(content);
      if (isJson) valid += 1;
    }
    expect(disagreed).toEqual([]);
    expect(valid).toBeGreaterThan(100);
  });

  it('whose long keys make gigabytes of paths fails in little memory', () => {
    const deep = Array.from({ length: 99 }, () => `{"${'k'.repeat(99)}":`).join('');
    const content = `${deep}{${Array.from({ length: 20_000 }, (_, index) => `"${index}":0`).join(',')}}${'}'.repeat(99)}`;
    expect(failure(() => jsonText(content))).toMatchObject({ code: 'archive_limits' });
  });

  it('survives depth and a megabyte of escapes', () => {
    expect(failure(() => jsonText('['.repeat(1_000_000)))).toMatchObject({ code: 'corrupt_file', message: expect.stringContaining('100 levels') });
    expect(jsonText(`["${'\\n\\"'.repeat(2_000_000)}x"]`)).toHaveLength(4_000_000);
  });

  it.each(['{}', '[]', '""', ' \n '])('%j holds no text', (content) => {
    expect(failure(() => jsonText(content))).toMatchObject({ code: 'no_text' });
  });
});

describe('JSON Lines', () => {
  it('are read line by line, blank ones apart', () => {
    expect(jsonl(Buffer.from('{"a":1}\r\n\n["x","y"]\n"z"')).text).toBe('a: 1\n\nx, y\n\nz');
  });

  it('that are damaged say at which line', () => {
    expect(failure(() => jsonl(Buffer.from('{"a":1}\n{"a":}\n')))).toMatchObject({ code: 'corrupt_file', message: expect.stringContaining('line 2:') });
  });
});
