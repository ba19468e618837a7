/**
 * The `partition.metadata` file, as Kafka writes it: which topic the log is of. A log of a deleted
 * topic whose folder came back (its removal was not safe yet when the power went) is told by it from
 * the log of a new topic of the same name.
 */
import type { FileSystem } from './file-system.ts';

const METADATA_FILE = 'partition.metadata';

function encode(topicId: Uint8Array): Buffer {
  // Kafka's Uuid: base64 for URLs, without padding.
  return Buffer.from(`version: 0\ntopic_id: ${Buffer.from(topicId).toString('base64url')}`);
}

export function writeMetadata(fs: FileSystem, folder: string, topicId: Uint8Array): Promise<void> {
  return fs.replaceFileLazily(`${folder}/${METADATA_FILE}`, encode(topicId));
}

/** True when the folder says that it is another topic's. */
export async function isOfAnotherTopic(
  fs: FileSystem,
  folder: string,
  topicId: Uint8Array,
): Promise<boolean> {
  const bytes = await fs.readFile(`${folder}/${METADATA_FILE}`);
  if (bytes === null) return false;
  return Buffer.from(bytes).toString().trim() !== encode(topicId).toString();
}
