import type { MultipartFile } from '@fastify/multipart';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { errorCode, errorMessage } from '../../common/error-code.js';
import { AppError } from '../../common/errors.js';
import type { Principal } from '../../common/principal.js';
import { MalformedRequest, PayloadTooLarge, UnsupportedMediaType, ValidationFailed } from '../../common/request-errors.js';
import { validationPipe } from '../../common/validation.js';
import { identifyForm, isAnswered } from '../../idempotency/claim.js';
import type { IngestionSettings } from '../../tenancy/tenant-configuration.service.js';
import { IngestFileDto } from '../dto/ingest.dto.js';
import type { StagedBlob } from '../storage/blob-store.js';
import { IntakeService, type ReceivedFile } from './intake.service.js';

/** What multipart adds around the file: boundaries, headers and our few fields. */
const ENVELOPE_BYTES = 1024 * 1024;

function refuseFields(fields: Record<string, unknown>): void {
  const unknown = Object.keys(fields);
  if (unknown.length > 0) throw new ValidationFailed(unknown.map((field) => ({ field, message: `property ${field} should not exist` })));
}

/** Reads a multipart form with one file, which goes to disk as it arrives, wherever in the form it stands. */
@Injectable()
export class FileUpload {
  constructor(private readonly intake: IntakeService) {}

  /** @throws UnsupportedMediaType, PayloadTooLarge, QuotaExceeded, MalformedRequest, ValidationFailed; nothing is left behind */
  async read(request: FastifyRequest, principal: Principal, settings: IngestionSettings): Promise<{ file: ReceivedFile; dto: IngestFileDto }> {
    const leastBytes = this.leastBytesOf(request, settings);
    // What was taken in before may have filled the quota itself.
    if (!isAnswered()) await this.intake.requireRoom(principal, leastBytes);
    return this.readForm(request, settings, (fields) => validationPipe.transform(fields, { type: 'body', metatype: IngestFileDto }) as Promise<IngestFileDto>);
  }

  /** A form without any other field, of a file that will not be kept. @throws UnsupportedMediaType, PayloadTooLarge, MalformedRequest, ValidationFailed; nothing is left behind */
  async readFileAlone(request: FastifyRequest, settings: IngestionSettings): Promise<ReceivedFile> {
    this.leastBytesOf(request, settings);
    return (await this.readForm(request, settings, refuseFields)).file;
  }

  /** The file has at least so many bytes. A chunked body does not say, and is judged when it is there. */
  private leastBytesOf(request: FastifyRequest, settings: IngestionSettings): number {
    if (!request.isMultipart()) throw new UnsupportedMediaType('Send the file as multipart/form-data, in a field named "file".');
    const leastBytes = Math.max(0, Number(request.headers['content-length'] ?? 0) - ENVELOPE_BYTES);
    if (leastBytes > settings.maxFileBytes) throw new PayloadTooLarge(settings.maxFileSize);
    return leastBytes;
  }

  private async readForm<Form>(request: FastifyRequest, settings: IngestionSettings, understand: (fields: Record<string, unknown>) => Promise<Form> | Form): Promise<{ file: ReceivedFile; dto: Form }> {
    const received: { file?: ReceivedFile } = {};
    try {
      const fields = await this.readParts(request, settings, received);
      if (!received.file) throw new ValidationFailed([{ field: 'file', message: 'file is required' }]);
      const { blob, declared } = received.file;
      identifyForm({ fields, file: { sha256: blob.sha256, ...declared } });
      return { file: received.file, dto: await understand(fields) };
    } catch (error) {
      if (received.file) await this.intake.discard(received.file.blob);
      throw this.translate(error, settings);
    }
  }

  private async readParts(request: FastifyRequest, settings: IngestionSettings, received: { file?: ReceivedFile }): Promise<Record<string, unknown>> {
    const fields: Record<string, unknown> = {};
    // One byte more than allowed tells a file that is too large from one that just fits.
    for await (const part of request.parts({ limits: { fileSize: settings.maxFileBytes + 1 } })) {
      if (part.type === 'field') {
        // What the parser puts in the place of bytes that are no UTF-8; stored, nobody would know what it had been.
        if (typeof part.value === 'string' && part.value.includes('\ufffd')) throw new ValidationFailed([{ field: part.fieldname, message: `${part.fieldname} must be UTF-8` }]);
        // A form sends the fields that nobody filled in, too.
        if (part.value !== '') fields[part.fieldname] = part.value;
      } else if (part.fieldname === 'file') received.file = { blob: await this.receive(part, settings), declared: { fileName: part.filename, mediaType: part.mimetype } };
      else throw new ValidationFailed([{ field: part.fieldname, message: 'the only file is expected in the field "file"' }]);
    }
    return fields;
  }

  private async receive(part: MultipartFile, settings: IngestionSettings): Promise<StagedBlob> {
    const blob = await this.intake.receive(part.file, settings);
    // The parser ends the stream early when the connection breaks or a limit is reached: half a file is no file.
    if (!part.file.truncated) return blob;
    await this.intake.discard(blob);
    throw new PayloadTooLarge(settings.maxFileSize);
  }

  /** The multipart parser's own errors carry a code and speak of its options. */
  private translate(error: unknown, settings: IngestionSettings): unknown {
    const code = errorCode(error);
    if (code === 'FST_REQ_FILE_TOO_LARGE') return new PayloadTooLarge(settings.maxFileSize);
    if (code === 'FST_FILES_LIMIT') return new ValidationFailed([{ field: 'file', message: 'send one file at a time' }]);
    if (/^FST_(FIELDS|PARTS)_LIMIT$/.test(code)) return new MalformedRequest('The form has too many parts.');
    if (!(error instanceof AppError) && /multipart|unexpected end|premature close|aborted|boundary|malformed part/i.test(errorMessage(error))) {
      return new MalformedRequest('The form is broken or ended early. Nothing was kept; send it again.');
    }
    return error;
  }
}
