/**
 * A results store on an S3-compatible server: one JSON object per value. S3 has no locks, so a claim is a lease: an object
 * that is created only if there is none, renewed while its holder lives, and taken over when it has become old.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  S3ServiceException,
} from "npm:@aws-sdk/client-s3@3.1169.0";
import { writeNumbers } from "../../base/json.ts";
import { parseStored, ResultsError, type ResultsStore } from "./contract.ts";

/** Lives as long as its process; see {@linkcode openStore}. */
export class S3Store implements ResultsStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  /**
   * @param location `s3://bucket/prefix`
   * @param leaseSeconds age at which a claim that nobody renews is free: more than a computation blocks the process
   * @throws {ResultsError} `location`
   */
  constructor(readonly location: string, private readonly leaseSeconds = 600) {
    const [, bucket, prefix = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(location) ??
      [];
    if (bucket === undefined) {
      throw new ResultsError(
        "location",
        `store is ${JSON.stringify(location)}: expected a directory or s3://bucket/prefix`,
      );
    }
    this.#bucket = bucket;
    this.#prefix = prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
    const own = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].some((name) => Deno.env.has(name));
    // Servers other than Amazon's seldom have a host name per bucket.
    this.#client = new S3Client({ forcePathStyle: own });
  }

  async read(name: string): Promise<unknown> {
    const text = await this.#get(`${name}.json`);
    return text === undefined ? undefined : parseStored(text, `${this.location} ${name}`);
  }

  async write(name: string, value: unknown): Promise<void> {
    await this.#put(`${name}.json`, writeNumbers(value));
  }

  async remove(name: string): Promise<void> {
    await this.#delete(`${name}.json`);
  }

  async list(): Promise<string[]> {
    const names: string[] = [];
    let page: string | undefined;
    do {
      const { Contents = [], NextContinuationToken } = await this.#try(
        "list",
        () =>
          this.#client.send(
            new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: this.#prefix, ContinuationToken: page }),
          ),
      );
      for (const { Key = "" } of Contents) {
        const name = Key.slice(this.#prefix.length);
        if (/^[^./][^/]*\.json$/.test(name)) names.push(name.slice(0, -".json".length));
      }
      page = NextContinuationToken;
    } while (page !== undefined);
    return names.sort();
  }

  async claim(name: string): Promise<AsyncDisposable> {
    const lock = `.${name}.lock`;
    let tag = await this.#create(lock);
    while (tag === null) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000, 250 * this.leaseSeconds)));
      tag = await this.#create(lock);
    }
    let held: string | null = tag;
    const renewal = setInterval(async () => {
      // One that somebody took over stays lost: the worst is work that is done twice.
      held = held && await this.#put(lock, crypto.randomUUID(), { IfMatch: held }).catch(() => null);
    }, this.leaseSeconds * 100);
    return {
      [Symbol.asyncDispose]: async () => {
        clearInterval(renewal);
        if (held !== null) await this.#delete(lock);
      },
    };
  }

  /** The tag of a lease that is ours now; null when somebody else holds it. */
  async #create(lock: string): Promise<string | null> {
    try {
      return await this.#put(lock, crypto.randomUUID(), { IfNoneMatch: "*" });
    } catch (error) {
      if (!taken(error)) throw error;
    }
    const lease = await this.#head(lock);
    if (lease === null || Date.now() - lease.changed < 1000 * this.leaseSeconds) return null;
    return await this.#put(lock, crypto.randomUUID(), { IfMatch: lease.tag }).catch((error) => {
      if (!taken(error)) throw error;
      return null;
    });
  }

  async #head(key: string): Promise<{ tag: string; changed: number } | null> {
    const found = await this.#find(() => this.#client.send(new HeadObjectCommand(this.#at(key))), key);
    if (found === undefined) return null;
    return { tag: found.ETag ?? "", changed: found.LastModified?.getTime() ?? 0 };
  }

  async #get(key: string): Promise<string | undefined> {
    const found = await this.#find(() => this.#client.send(new GetObjectCommand(this.#at(key))), key);
    return await found?.Body?.transformToString();
  }

  async #put(key: string, body: string, condition: Partial<PutObjectCommandInput> = {}): Promise<string> {
    const bytes = new TextEncoder().encode(body);
    const command = new PutObjectCommand({
      ...this.#at(key),
      Body: bytes,
      ContentLength: bytes.length,
      ...condition,
    });
    const { ETag } = await this.#try(key, () => this.#client.send(command));
    return ETag ?? "";
  }

  async #delete(key: string): Promise<void> {
    await this.#try(key, () => this.#client.send(new DeleteObjectCommand(this.#at(key))));
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  /** What a request gives; undefined when there is no such object. */
  async #find<T>(request: () => Promise<T>, key: string): Promise<T | undefined> {
    return await this.#try<T | undefined>(key, () =>
      request().catch((error) => {
        if (error instanceof S3ServiceException && /^(NoSuchKey|NotFound)$/.test(error.name)) {
          return undefined;
        }
        throw error;
      }));
  }

  async #try<T>(what: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (cause) {
      if (taken(cause)) throw cause;
      const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
      throw new ResultsError("unwritable", `${this.location} ${what}: ${reason}`, { cause });
    }
  }
}

/** Whether a conditional write was refused: somebody else was first, or is writing now. */
function taken(error: unknown): boolean {
  return error instanceof S3ServiceException && [409, 412].includes(error.$metadata.httpStatusCode ?? 0);
}
