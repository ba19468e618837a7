/**
 * The shapes of requests and answers: how a value is written, in JSON and in the Query protocol, and
 * what TypeScript knows of it. The 23 actions themselves are in actions.ts.
 *
 * `item` is what one element of a list or map is called in the Query protocol, where both are always
 * flattened: `AttributeName.1=…`, `Attribute.1.Name=…&Attribute.1.Value=…`, `<Attribute><Name>…`.
 */
interface TextShape {
  readonly type: 'text';
}
/** A whole number. */
interface IntegerShape {
  readonly type: 'integer';
}
interface BooleanShape {
  readonly type: 'boolean';
}
/** Bytes: base64 in both protocols. */
interface BlobShape {
  readonly type: 'blob';
}
export interface ListShape<S extends Shape = Shape> {
  readonly type: 'list';
  readonly item: string;
  readonly of: S;
}
export interface MapShape<S extends Shape = Shape> {
  readonly type: 'map';
  readonly item: string;
  /** What key and value are called in the Query protocol. */
  readonly keyName: string;
  readonly valueName: string;
  readonly of: S;
}
export interface StructureShape<M extends Members = Members> {
  readonly type: 'structure';
  readonly members: M;
  /** The members as a list. */
  readonly fields: readonly Field[];
}
interface Field {
  readonly name: string;
  /** As JSON has it: `"Name":`. */
  readonly jsonName: string;
  readonly shape: Shape;
}
export type Shape =
  | TextShape
  | IntegerShape
  | BooleanShape
  | BlobShape
  | ListShape
  | MapShape
  | StructureShape;

export interface Member<S extends Shape = Shape, Required extends boolean = boolean> {
  readonly shape: S;
  /** A list or map that is required is there, and empty when it was not given: the Query protocol
   * cannot tell one from the other. Without anything else that is required, the request is refused. */
  readonly required: Required;
}
export interface Members {
  readonly [name: string]: Member;
}

export const TEXT = { type: 'text' } as const;
export const INTEGER = { type: 'integer' } as const;
export const BOOLEAN = { type: 'boolean' } as const;
export const BLOB = { type: 'blob' } as const;

export function list<S extends Shape>(item: string, of: S): ListShape<S> {
  return { type: 'list', item, of };
}

export function map<S extends Shape>(
  item: string,
  keyName: string,
  valueName: string,
  of: S,
): MapShape<S> {
  return { type: 'map', item, keyName, valueName, of };
}

export function structure<M extends Members>(members: M): StructureShape<M> {
  const fields = Object.entries(members).map(([name, { shape }]) => {
    return { name, jsonName: `${JSON.stringify(name)}:`, shape };
  });
  return { type: 'structure', members, fields };
}

export function required<S extends Shape>(shape: S): Member<S, true> {
  return { shape, required: true };
}

export function optional<S extends Shape>(shape: S): Member<S, false> {
  return { shape, required: false };
}

// ---- What TypeScript knows

/** Maps have no prototype when they come in: every name is only a name. */
export type ValueOf<S extends Shape> = S extends TextShape
  ? string
  : S extends IntegerShape
    ? number
    : S extends BooleanShape
      ? boolean
      : S extends BlobShape
        ? Uint8Array
        : S extends ListShape<infer Item>
          ? readonly ValueOf<Item>[]
          : S extends MapShape<infer Item>
            ? { readonly [name: string]: ValueOf<Item> }
            : S extends StructureShape<infer M>
              ? StructureOf<M>
              : never;

type StructureOf<M extends Members> = {
  readonly [K in keyof M as M[K]['required'] extends true ? K : never]: ValueOf<M[K]['shape']>;
} & {
  readonly [K in keyof M as M[K]['required'] extends true ? never : K]?:
    | ValueOf<M[K]['shape']>
    | undefined;
};
