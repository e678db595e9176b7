import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UrlTimedOut } from '../../outbound/outbound.errors.js';
import { Outbound } from '../../outbound/outbound.js';
import { FilesystemBlobStore } from '../storage/filesystem.blob-store.js';
import { UrlDownload } from './url-download.js';

const LIMITS = { maxFileBytes: 1000, maxFileSize: '1000 bytes', enableRemoteProcessing: false };

describe('a download', () => {
  let site: Server;
  let directory: string;
  let download: UrlDownload;
  /** As long as nobody gives up. */
  let patient: UrlDownload;
  let url: string;

  beforeAll(async () => {
    site = createServer((request, response) => void (request.url === '/half' && response.writeHead(200, { 'content-type': 'text/plain' }).write('half')));
    await new Promise<void>((ready) => site.listen(0, '127.0.0.1', ready));
    url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    directory = await mkdtemp(path.join(tmpdir(), 'morag-download-'));
    const blobs = await FilesystemBlobStore.open(directory);
    download = new UrlDownload(new Outbound({ allow: ['127.0.0.1'], totalTimeoutMs: 150 }), blobs);
    patient = new UrlDownload(new Outbound({ allow: ['127.0.0.1'] }), blobs);
  });
  afterEach(async () => expect(await readdir(path.join(directory, 'incoming'))).toEqual([]));
  afterAll(async () => {
    for (const each of [download, patient]) await each.onApplicationShutdown();
    site.closeAllConnections();
    await new Promise((done) => site.close(done));
    await rm(directory, { recursive: true });
  });

  it.each(['/never', '/half'])('of an address that takes too long (%s) ends in time', async (at) => {
    await expect(download.fetch(`${url}${at}`, LIMITS, new AbortController().signal)).rejects.toThrow(UrlTimedOut);
  });

  it.each(['/never', '/half'])('ends with the reason of whoever gives it up (%s)', async (at) => {
    const giveUp = new AbortController();
    const asked = new Promise((resolve) => site.once('request', resolve));
    const fetching = patient.fetch(`${url}${at}`, LIMITS, giveUp.signal);
    await asked;
    giveUp.abort(new Error('enough'));
    await expect(fetching).rejects.toThrow('enough');
    await expect(patient.fetchInTurn(`${url}${at}`, LIMITS, giveUp.signal)).rejects.toThrow('enough');
  });
});
