import { extract } from './rtf.extractor.js';

const HEAD = '{\\rtf1\\ansi\\ansicpg1252\\uc1';
const read = (body: string) => extract(Buffer.from(`${HEAD} ${body}}`, 'latin1'));

describe('Rich Text Format', () => {
  it.each([
    ['paragraphs, lines and tabs', 'One\\line two\\tab three.\\par\nFour.\\par', 'One\ntwo\tthree.\n\nFour.'],
    ['symbols and escaped braces', '\\{a\\}\\emdash b\\\\c\\~d\\ldblquote e\\rdblquote', '{a}—b\\c\u00a0d“e”'],
    ['bytes of the code page', "Caf\\'e9 \\'80", 'Café €'],
    ['Unicode with its fallback', "\\u26085?\\u-10179?\\u-8704?\\uc2\\u228\\'61\\'65\\uc0\\u246 x", '日😀äöx'],
    ['Unicode whose fallback was forgotten', 'a\\u8211\\par b', 'a–\n\nb'],
    ['fonts of other alphabets', "{\\fonttbl{\\f0\\fcharset0 Arial;}{\\f1\\fcharset204 Arial Cyr;}{\\f2\\fcharset128 Mincho;}}\\f1 \\'cf\\'f0{\\f2 \\'93\\'fa\\'83A}\\f0 \\'e9", 'Пр日アé'],
    ['hyperlinks by their text', '{\\field{\\*\\fldinst HYPERLINK "http://x"}{\\fldrslt here}}', 'here'],
    ['no pictures, objects, headers or comments', '{\\header H\\par}{\\pict 0a0b}{\\object{\\result R}}{\\*\\annotation A}{\\*\\unknown U}{\\colortbl;\\red0;}{\\pict\\bin3 }{}}text', 'text'],
    ['no hidden and deleted text', 'a{\\v hidden}{\\deleted gone}\\v h\\v0 b', 'ab'],
    ['text boxes', 'Before{\\shp{\\*\\shpinst{\\sp{\\sn x}{\\sv 1}}{\\shptxt boxed}}{\\shprslt boxed}} after', 'Beforeboxed after'],
    ['lists', '{\\listtext 1.\\tab}One\\par{\\listtext 2.\\tab}Two\\par\\pard Three\\par', '- One\n\n- Two\n\nThree'],
    ['tables', '\\trowd\\intbl A\\cell B\\cell\\row\\trowd\\intbl 1\\par 2\\cell \\cell\\row\\pard After\\par', '| A | B |\n| --- | --- |\n| 1 2 |  |\n\nAfter'],
    ['footnotes behind their paragraph', 'Text{\\footnote\\pard\\plain A note.\\par} goes on.\\par Next.', 'Text[1] goes on.\n\n[1] A note.\n\nNext.'],
    ['both halves of a pair once', '{\\upr{ascii}{\\*\\ud{\\u228?}}}', 'ä'],
  ])('has %s', (_name, body, text) => {
    expect(read(body).text).toBe(text);
  });

  it('keeps a table that one long row would make immense', () => {
    const { text } = read(`x${'\\cell'.repeat(20_000)}\\row${'a\\cell\\row'.repeat(20_000)}`);
    expect(text.length).toBeLessThan(500_000);
  });

  it('has headings by outline level, its own or its style’s, and a title', () => {
    const styles = '{\\stylesheet{\\ql Normal;}{\\s1\\outlinelevel0 heading 1;}{\\s2\\outlinelevel8{\\*\\keycode x} deep;}}';
    const { text, headings, title, metadata } = read(`${styles}{\\info{\\title The {\\b title}}{\\author Ann}}\\pard\\s1 Chapter\\par\\pard Text\\par\\pard\\outlinelevel1 Part\\par\\pard\\outlinelevel9 Body\\par`);
    expect({ text, title, metadata }).toEqual({ text: '# Chapter\n\nText\n\n## Part\n\nBody', title: 'The title', metadata: { author: 'Ann' } });
    expect(headings).toEqual([{ level: 1, text: 'Chapter', charStart: 0 }, { level: 2, text: 'Part', charStart: 17 }]);
  });

  it.each<[string, string, string]>([
    ['cut off', `${HEAD} {text`, 'corrupt_file'],
    ['cut off within a word', `${HEAD} text\\`, 'corrupt_file'],
    ['nested without end', `${HEAD}${'{'.repeat(2000)}`, 'corrupt_file'],
    ['whose data claims to be longer than the file', `${HEAD} a\\bin2000000000 b}`, 'corrupt_file'],
    ['without text', `${HEAD}{\\pict 00}}`, 'no_text'],
    ['that is something else', 'Dear {\\rtf', 'type_mismatch'],
  ])('%s fails with its code', (_name, content, code) => {
    expect(() => extract(Buffer.from(content))).toThrow(expect.objectContaining({ code }));
  });
});
