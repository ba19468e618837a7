/**
 * DescribeCluster (60).
 *
 * v1: brokers or controllers (KIP-919)   v2: fenced brokers (KIP-1073; there are none)
 */
import { AuthorizedOperations } from '../authorized-operations.ts';
import { ErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import { NODE_ID } from '../node.ts';
import { GRANTED, type Refusal, refuse } from '../refusal.ts';

const BROKERS = 1;
const CONTROLLERS = 2;

interface DescribeClusterRequest {
  operations: boolean;
  endpointType: number;
}

export const describeCluster = defineHandler<DescribeClusterRequest>({
  key: 60,
  name: 'DescribeCluster',
  min: 0,
  max: 2,
  flexibleFrom: 0,

  decode(reader, version) {
    const operations = reader.bool();
    const endpointType = version >= 1 ? reader.int8() : BROKERS;
    if (version >= 2) reader.bool();
    reader.tags();
    return { operations, endpointType };
  },

  handle({ operations, endpointType }, call) {
    const { version, node } = call;
    const { error, text } = refusal(endpointType);
    const { host, port } = node.endpoint(call.peer);
    call.reply((writer) => {
      writer.int32(0).int16(error).nullableString(text);
      if (version >= 1) writer.int8(BROKERS);
      writer.string(node.broker.clusterId).int32(NODE_ID);
      writer.array(error === ErrorCode.None ? [NODE_ID] : [], (w, id) => {
        w.int32(id).string(host).int32(port).nullableString(null);
        if (version >= 2) w.bool(false);
        w.tags();
      });
      writer.int32(AuthorizedOperations.ofCluster(operations)).tags();
    });
  },
});

function refusal(endpointType: number): Refusal {
  if (endpointType === BROKERS) return GRANTED;
  if (endpointType === CONTROLLERS) {
    return refuse(
      ErrorCode.MismatchedEndpointType,
      'The request was sent to an endpoint of type broker, but we wanted an endpoint of type controller',
    );
  }
  return refuse(ErrorCode.UnsupportedEndpointType, `Unsupported endpoint type ${endpointType}`);
}
