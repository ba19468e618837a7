/**
 * Requests as botocore 1.44 signs them, for user alice with the password `s3cret/+` and the session
 * token `tok/en+==`, at 2023-11-14T22:13:20Z.
 */
export const SECRET = 's3cret/+';
export const SESSION_TOKEN = 'tok/en+==';
export const SIGNED_AT_MS = Date.UTC(2023, 10, 14, 22, 13, 20);

/** Lines of the head, and the body. */
export const SIGNED_REQUESTS: Readonly<Record<string, { head: readonly string[]; body: string }>> =
  {
    'a JSON request': {
      head: [
        'POST / HTTP/1.1',
        'Host: localhost:9324',
        'Content-Type: application/x-amz-json-1.0',
        'X-Amz-Target: AmazonSQS.ListQueues',
        'X-Amz-Date: 20231114T221320Z',
        'Authorization: AWS4-HMAC-SHA256 Credential=alice/20231114/eu-west-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=8565dc27babc57cc35038fffd8fe4c0ced3dfdf6f4fd0a93c152b3c481d35bc7',
        'Content-Length: 2',
      ],
      body: '{}',
    },
    'with a session token': {
      head: [
        'POST / HTTP/1.1',
        'Host: localhost:9324',
        'Content-Type: application/x-amz-json-1.0',
        'X-Amz-Target: AmazonSQS.ListQueues',
        'X-Amz-Date: 20231114T221320Z',
        'X-Amz-Security-Token: tok/en+==',
        'Authorization: AWS4-HMAC-SHA256 Credential=alice/20231114/eu-west-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=e951cb87d5ee5790c8d9f4445aa292c7dd9ed374ae9306cb59fa1326fb366b51',
        'Content-Length: 2',
      ],
      body: '{}',
    },
    'a form on a queue URL': {
      head: [
        'POST /000000000000/my%20queue HTTP/1.1',
        'Host: localhost:9324',
        'Content-Type: application/x-www-form-urlencoded; charset=utf-8',
        'X-Amz-Date: 20231114T221320Z',
        'Authorization: AWS4-HMAC-SHA256 Credential=alice/20231114/eu-west-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=50d26334705fca8543d00419cad8d1c67d6a307e0140bb017b2bdf02aaa72e1c',
        'Content-Length: 17',
      ],
      body: 'Action=ListQueues',
    },
    'a query': {
      head: [
        'GET /?Action=ListQueues&QueueNamePrefix=a%20b%2Bc~%C3%A4&Version=2012-11-05&A= HTTP/1.1',
        'Host: localhost:9324',
        'X-Amz-Date: 20231114T221320Z',
        'Authorization: AWS4-HMAC-SHA256 Credential=alice/20231114/eu-west-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=8a116c33b01679e6216017e52bbfcab8928edfde545f7c76b32ab64e136b099e',
      ],
      body: '',
    },
    'a presigned URL': {
      head: [
        'GET /?Action=ListQueues&Version=2012-11-05&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=alice%2F20231114%2Feu-west-1%2Fsqs%2Faws4_request&X-Amz-Date=20231114T221320Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Signature=5d8b56eddb22d31a70c1ecf20323f6c67856c3be367ed816d339dd36262c0164 HTTP/1.1',
        'Host: localhost:9324',
      ],
      body: '',
    },
    'a presigned URL with a session token': {
      head: [
        'GET /000000000000/q?Action=ListQueues&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=alice%2F20231114%2Feu-west-1%2Fsqs%2Faws4_request&X-Amz-Date=20231114T221320Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=tok%2Fen%2B%3D%3D&X-Amz-Signature=8eea8741430c77a5cb6f74f845ebb5238ecc9c476a5868cadcbf1810246dbebb HTTP/1.1',
        'Host: localhost:9324',
      ],
      body: '',
    },
    'header spaces': {
      head: [
        'POST /a/../b//./c HTTP/1.1',
        'Host: localhost:9324',
        'Content-Type: application/x-amz-json-1.0',
        'X-Amz-Target: AmazonSQS.ListQueues',
        'X-Odd:   a   b  ',
        'X-Amz-Date: 20231114T221320Z',
        'Authorization: AWS4-HMAC-SHA256 Credential=alice/20231114/eu-west-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target;x-odd, Signature=01308b610be3575d750ee40e0744ebb5045ec6e042b498a0ffb2f10f327a8af7',
        'Content-Length: 2',
      ],
      body: '{}',
    },
  };
