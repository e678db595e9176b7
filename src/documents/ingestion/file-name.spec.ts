import { displayName } from './file-name.js';

describe('display names', () => {
  it.each([
    ['report.pdf', 'report.pdf'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\me\\a.docx', 'a.docx'],
    ['a\u0000b\r\n.txt', 'ab.txt'],
    ['fdp.\u202Egnp.exe', 'fdp.gnp.exe'],
    ['e\u0301.md', '\u00e9.md'],
    ['', 'document.pdf'],
    ['  ', 'document.pdf'],
    [undefined, 'document.pdf'],
  ])('shows %j as %j', (name, shown) => {
    expect(displayName(name, 'document.pdf')).toBe(shown);
  });

  it('keeps the extension of a name that is too long, and never cuts a character in two', () => {
    const shown = displayName(`${'ü'.repeat(400)}.pdf`, 'x');
    expect(Buffer.byteLength(shown)).toBeLessThanOrEqual(255);
    expect(shown).toMatch(/^ü+\.pdf$/);
  });

  it('takes no time over a name as long as a form may send', () => {
    const begun = performance.now();
    for (const name of ['x'.repeat(1_000_000), '🙂'.repeat(200_000), '/'.repeat(1_000_000), '.'.repeat(1_000_000), ' '.repeat(1_000_000)]) expect(Buffer.byteLength(displayName(name, 'x'))).toBeLessThanOrEqual(255);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
});
