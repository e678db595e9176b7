import { readBlobAddress } from './blob-address.js';

describe('the address of the blob store', () => {
  it('is a directory', () => {
    expect(readBlobAddress('file:///var/lib/blobs')).toEqual({ kind: 'directory', directory: new URL('file:///var/lib/blobs') });
  });

  it.each([
    ['s3://files', { bucket: 'files', prefix: '', region: undefined, endpoint: undefined, isPathStyle: false }],
    ['s3://files/a/b/?region=eu-central-1', { bucket: 'files', prefix: 'a/b/', region: 'eu-central-1', endpoint: undefined, isPathStyle: false }],
    ['s3://my.files?endpoint=http://s3:3900', { bucket: 'my.files', prefix: '', region: undefined, endpoint: 'http://s3:3900', isPathStyle: true }],
    ['s3://files?endpoint=https%3A%2F%2Fr2.example.com&path_style=false', { bucket: 'files', prefix: '', region: undefined, endpoint: 'https://r2.example.com', isPathStyle: false }],
  ])('is a bucket: %s', (text, place) => {
    expect(readBlobAddress(text)).toEqual({ kind: 's3', ...place });
  });

  it.each([
    'ftp://there', 'file://there/blobs', 'file:///a%2Fb', 's3://', 's3://Files', 's3://f', 's3://files:80', 's3://key:secret@files', 's3://files/a//b', 's3://files/a b',
    's3://files?secret=x', 's3://files?endpoint=ftp://there', 's3://files?endpoint=http://s3:3900/path', 's3://files?path_style=yes', 's3://files#x', 'files',
  ])('is nothing else: %s', (text) => {
    expect(readBlobAddress(text)).toBeNull();
  });
});
