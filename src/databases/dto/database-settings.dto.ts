import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsString, Length, Max, Min } from 'class-validator';
import { Omittable } from '../../common/validation.js';
import { EMBEDDING_PROVIDERS } from '../../embeddings/embedder.js';
import { DISTANCES, type Distance } from '../vector-stores/vector-store.js';

/** `default` is the model that the installation runs, whatever that is. */
export const PROVIDER_CHOICES = ['default', ...EMBEDDING_PROVIDERS] as const;
export type ProviderChoice = (typeof PROVIDER_CHOICES)[number];

/** Where vectors come from, and how they are compared. */
export class IndexSettingsDto {
  /**
   * Who makes the vectors: `default` is the model of this installation; `hash` needs nothing and finds words, also misspelt ones; `openai` is any
   * endpoint that speaks as OpenAI's `/embeddings`; `onnx` is a model in files that the operator supplied.
   */
  @ApiPropertyOptional({ enum: PROVIDER_CHOICES, default: 'default' })
  @Omittable()
  @IsIn(PROVIDER_CHOICES)
  embedding_provider?: ProviderChoice;

  /** The model's name as its provider knows it; of `onnx` the name of its folder. */
  @Omittable()
  @IsString()
  @Length(1, 200)
  embedding_model?: string;

  /** Numbers in a vector. Known for the common models, needed for others. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 16_000 })
  @Omittable()
  @IsInt()
  @Min(1)
  @Max(16_000)
  dimensions?: number;

  /** Base address of an `openai` endpoint; default: OpenAI's own, `https://api.openai.com/v1`. */
  @Omittable()
  @IsString()
  @Length(1, 2000)
  embedding_url?: string;

  /** Credential of that endpoint. Sealed, and never shown. */
  @ApiPropertyOptional({ writeOnly: true })
  @Omittable()
  @IsString()
  @Length(1, 1000)
  embedding_api_key?: string;

  /** How near two vectors are. */
  @ApiPropertyOptional({ enum: DISTANCES, default: 'cosine' })
  @Omittable()
  @IsIn(DISTANCES)
  distance?: Distance;
}
