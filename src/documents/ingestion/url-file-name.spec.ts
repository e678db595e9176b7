import { urlFileName } from './url-file-name.js';

it.each([
  ['https://a.org/docs/report.pdf?x=1', 'application/pdf', undefined, 'report.pdf'],
  ['https://a.org/docs/REPORT.PDF', 'application/pdf', undefined, 'REPORT.PDF'],
  ['https://a.org/docs/', 'text/html; charset=utf-8', undefined, 'docs.html'],
  ['https://a.org', 'text/html', undefined, 'a.org.html'],
  ['https://a.org/index.php', 'text/html', undefined, 'index.php.html'],
  ['https://a.org/caf%C3%A9', 'text/html', undefined, 'café.html'],
  ['https://a.org/100%', 'text/html', undefined, '100%.html'],
  ['https://a.org/README', 'text/plain', undefined, 'README'],
  ['https://a.org/README.md', undefined, undefined, 'README.md'],
  ['https://a.org/x', 'application/octet-stream', 'attachment; filename="a b.docx"', 'a b.docx'],
  ['https://a.org/x.md', 'text/plain', 'inline', 'x.md'],
  ['https://a.org/x.md', 'text/plain', '???; = "', 'x.md'],
])('%s as %s is saved as a browser would', (url, type, disposition, name) => {
  const headers = new Headers({ ...(type ? { 'content-type': type } : {}), ...(disposition ? { 'content-disposition': disposition } : {}) });
  expect(urlFileName(new URL(url), headers)).toBe(name);
});
