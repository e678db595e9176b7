import { pointId } from './point-id.js';

const document = '018f6f00-0000-7000-8000-000000000001';

it('is the same in every run and every release', () => {
  expect(pointId(document, 1, 0)).toBe('9cdebeed-0090-513b-9987-9bba318c2e71');
  expect(pointId(document, 1, 0)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

it('differs by document, version and index', () => {
  const other = document.replace(/1$/, '2');
  const ids = [[1, 0], [2, 0], [1, 1], [1, 11], [11, 1]].map(([version, index]) => pointId(document, version!, index!));
  ids.push(pointId(other, 1, 0));
  expect(new Set(ids).size).toBe(ids.length);
});
