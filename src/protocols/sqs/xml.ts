/**
 * Answers of the Query protocol as XML 1.0. What XML has no form for is not written: it would end the
 * client's parser. Bodies never have such characters (mapping.ts); what echoes a request may.
 */
import type { SqsError } from './errors.ts';
import type { Shape, StructureShape } from './shapes.ts';

const HEAD = '<?xml version="1.0"?>';
const NAMESPACE = 'xmlns="http://queue.amazonaws.com/doc/2012-11-05/"';
const SPECIAL = /[^\t\n\x20!#-%'-;=?-\ud7ff\ue000-\ufffd]/;
const SPECIAL_ALL = /[\ud800-\udbff][\udc00-\udfff]|[^\t\n\x20!#-%'-;=?-\ud7ff\ue000-\ufffd]/g;
const REPLACEMENT = '\ufffd';

export function escapeXml(text: string): string {
  return SPECIAL.test(text) ? text.replace(SPECIAL_ALL, escaped) : text;
}

function escaped(found: string): string {
  switch (found) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case '"':
      return '&quot;';
    case '\r':
      // A parser makes a line feed of a bare one.
      return '&#xD;';
    default:
      return found.length === 2 ? found : REPLACEMENT;
  }
}

export function encodeXml(
  action: string,
  output: object,
  shape: StructureShape,
  requestId: string,
): string {
  const fields = structureXml(output as Record<string, unknown>, shape);
  const hasResult = Object.keys(shape.members).length > 0;
  const filled =
    fields === '' ? `<${action}Result/>` : `<${action}Result>${fields}</${action}Result>`;
  const metadata = `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
  const result = hasResult ? filled : '';
  return `${HEAD}<${action}Response ${NAMESPACE}>${result}${metadata}</${action}Response>`;
}

function structureXml(values: Record<string, unknown>, shape: StructureShape): string {
  let xml = '';
  for (const name in shape.members) {
    const value = values[name];
    if (value !== undefined) xml += valueXml(name, value, shape.members[name]!.shape);
  }
  return xml;
}

function valueXml(name: string, value: unknown, shape: Shape): string {
  switch (shape.type) {
    case 'text':
      return `<${name}>${escapeXml(value as string)}</${name}>`;
    case 'blob': {
      const { buffer, byteOffset, length } = value as Uint8Array;
      return `<${name}>${Buffer.from(buffer, byteOffset, length).toString('base64')}</${name}>`;
    }
    case 'list': {
      let xml = '';
      for (const item of value as readonly unknown[]) xml += valueXml(shape.item, item, shape.of);
      return xml;
    }
    case 'map': {
      let xml = '';
      const values = value as Record<string, unknown>;
      for (const key of Object.keys(values)) {
        const entry = valueXml(shape.valueName, values[key], shape.of);
        xml += `<${shape.item}><${shape.keyName}>${escapeXml(key)}</${shape.keyName}>${entry}</${shape.item}>`;
      }
      return xml;
    }
    case 'structure':
      return `<${name}>${structureXml(value as Record<string, unknown>, shape)}</${name}>`;
    default:
      return `<${name}>${String(value)}</${name}>`;
  }
}

export function errorXml(error: SqsError, requestId: string): string {
  const type = error.isSenders ? 'Sender' : 'Receiver';
  return (
    `${HEAD}<ErrorResponse ${NAMESPACE}><Error><Type>${type}</Type><Code>${error.code}</Code>` +
    `<Message>${escapeXml(error.queryMessage)}</Message><Detail/></Error>` +
    `<RequestId>${requestId}</RequestId></ErrorResponse>`
  );
}
